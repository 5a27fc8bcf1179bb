"""What tests of trainings share."""

FIGURES = ("epoch", "lr", "train_loss", "train_acc", "valid_loss", "valid_acc")  # all but the times
SPEEDRUN = {  # every technique at once
    **{"network": "speednet", "prep": 64, "layer1": 8, "layer2": 8, "layer3": 16, "logits_weight": 1 / 16},
    **{"whiten": 2, "whiten_images": 100, "whiten_epochs": 2, "activation": "gelu", "pool_first": True, "convs": 3},
    **{"train_bn_scale": False, "bn_momentum": 0.4, "identity_init": True, "optimizer": "muon", "peak_epoch": 0},
    **{"bias_lr": 1.0, "head_lr": 10.0, "lr_end": 0.1, "averaging": "lookahead", "average_every": 3},
    **{"sizes": {"24": 1, "28": 1}, "brightness": 0.1, "contrast": 0.1, "tta": "six", "label_smoothing": 0.2},
}


def figures(result):
    return [[getattr(row, name) for name in FIGURES] for row in result.epochs]
