from fastcifar.train import EpochRow, format_closing, format_header, format_row

# Three lines of the notes' CIFAR-10 table, (64, 128, 256, 512).
NOTES = """\
       epoch           lr   train time   train loss    train acc   valid time   valid loss    valid acc   epoch time
           1       0.0800       5.2681       1.6562       0.4016       0.4455       1.5635       0.4906       5.7136
          24       0.0000       3.1389       0.0759       0.9782       0.2134       0.1864       0.9380       3.3524"""


def row(epoch, lr, train_time, train_loss, train_acc, valid_time, valid_loss, valid_acc):
    return EpochRow(
        epoch=epoch,
        lr=lr,
        train_time=train_time,
        train_loss=train_loss,
        train_acc=train_acc,
        valid_time=valid_time,
        valid_loss=valid_loss,
        valid_acc=valid_acc,
    )


def test_it_is_the_notes_table():
    rows = [
        row(1, 0.08, 5.26812, 1.65622, 0.40159, 0.44548, 1.5635, 0.4906),
        row(24, 0.0, 3.13893, 0.07589, 0.97816, 0.21344, 0.1864, 0.9380),
    ]
    assert "\n".join([format_header(), *map(format_row, rows)]) == NOTES
    assert format_closing(rows) == "Finished Train/Valid in 9.07 seconds"
