import json
import pickle

import pytest

from fastcifar.train import Recipe, RecipeError, find_recipe, named_recipe, recipe_names


def test_defaults_are_the_notes():
    recipe = Recipe()
    assert (recipe.peak_lr, recipe.base_wd, recipe.logits_weight, recipe.peak_epoch) == (0.4, 5e-4, 0.125, 5)
    assert (recipe.cutout, recipe.total_epoch, recipe.batch_size) == (8, 24, 512)
    assert recipe.channels == {"prep": 64, "layer1": 128, "layer2": 256, "layer3": 512}


def test_json_both_ways():
    recipe = Recipe(extra_layers={"layer1": 2}, lr_scale={"prep": 0.1}, res_layers=["layer2"], ks={"prep": 5})
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe and hash(again) == hash(recipe)
    assert json.loads(recipe.to_json())["res_layers"] == ["layer2"]
    assert hash(Recipe(peak_lr=0.1)) != hash(Recipe())


def test_every_named_recipe_is_whole():
    names = recipe_names()
    assert {"resnet9", "resnet9-384", "resnet9-cifar100", "resnet9-384-cifar100", "resnet9-extra", "resnet9-tiny"} <= {
        *names
    }
    for name in names:
        recipe = named_recipe(name)
        assert recipe.dataset == ("cifar100" if name.endswith(("cifar100", "extra")) else "cifar10")
        assert recipe.peak_epoch == pytest.approx(recipe.total_epoch * 5 / 24) or "speedrun" in name


def test_a_recipe_cannot_be_changed():
    recipe = Recipe(lr_scale={"prep": 0.1})
    with pytest.raises(TypeError):
        recipe.lr_scale["prep"] = 1
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_peak_epoch_keeps_its_share():
    assert Recipe(total_epoch=12).peak_epoch == 2.5
    assert Recipe().with_params({"total_epoch": 12}).peak_epoch == 2.5
    assert Recipe(peak_epoch=6).with_params({"total_epoch": 48}).peak_epoch == 12
    assert Recipe().with_params({"total_epoch": 12, "peak_epoch": 5}).peak_epoch == 5


def test_sizes_keep_their_shares():
    recipe = Recipe(total_epoch=8, sizes={"24": 3, "16": 2})
    assert list(recipe.sizes) == ["16", "24"]  # the small ones first
    assert Recipe(total_epoch=8, sizes={24: 3, 16: 2}) == recipe
    assert recipe.with_params({"total_epoch": 4}).sizes == {"16": 1, "24": 1}
    assert recipe.with_params({"total_epoch": 4, "sizes": {}}).sizes == {}
    assert recipe.with_params({"total_epoch": 4, "sizes.24": 2, "sizes.16": 0}).sizes == {"24": 2}
    assert recipe.with_params({"sizes.24": 1}).sizes == {"16": 2, "24": 1}


def test_peak_lr_with_lr_instead():
    assert Recipe(lr_instead=[0.1] * 25).peak_lr == 1
    assert Recipe().with_params({"lr_instead": [0.1] * 25}).peak_lr == 1
    assert Recipe().with_params({"lr_instead": [0.1] * 25, "peak_lr": 2}).peak_lr == 2


def test_dotted_path():
    recipe = Recipe(lr_scale={"layer3": 0.4}).with_params({"lr_scale.prep": 0.1, "prep": 16})
    assert recipe.lr_scale == {"layer3": 0.4, "prep": 0.1} and recipe.prep == 16
    assert Recipe().with_params({"ks.prep": 5}).ks == {"prep": 5, "layer1": 3, "layer2": 3, "layer3": 3}


def test_a_list_of_extra_layers_means_one_each():
    assert Recipe(extra_layers=["layer1", "layer3"]).extra_layers == {"layer1": 1, "layer3": 1}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"peak_l": 1}, "'peak_l'; did you mean peak_lr"),
        ({"prep": 0}, "prep: a whole number at least 1 and at most 65536 is needed, not 0"),
        ({"prep": 2.5}, "prep"),
        ({"prep": True}, "prep"),
        ({"peak_lr": 0}, "more than 0"),
        ({"peak_lr": float("nan")}, "peak_lr"),
        ({"peak_lr": float("inf")}, "peak_lr"),
        ({"peak_lr": "fast"}, "'fast'"),
        ({"total_epoch": 0}, "total_epoch"),
        ({"peak_epoch": 30}, r"peak_epoch: .* at most total_epoch \(24\)"),
        ({"dataset": "cifar11"}, "cifar11.*did you mean cifar10"),
        ({"precision": "O4"}, "precision"),
        ({"extra_layers": {"layer4": 1}}, "layer4"),
        ({"extra_layers": {"layer1": 5}}, "extra_layers.layer1.*5"),
        ({"res_layers": "layer1"}, "res_layers: a list"),
        ({"ks": 4}, "ks: a kernel is 3 or 5 wide, not 4"),
        ({"ks": {"prep": 7}}, "ks.prep"),
        ({"lr_scale": 0.1}, "lr_scale: an object"),
        ({"lr_instead": [0.1, -1]}, r"lr_instead\[1\]"),
        ({"lr_instead": [0.1] * 25, "bias_lr": 1}, "bias_lr: lr_instead gives every tensor a rate"),
        ({"lr_instead": [0.1] * 25, "head_lr": 1}, "head_lr: lr_instead gives every tensor a rate"),
        ({"lr_instead": [0.1] * 25, "optimizer": "muon"}, "lr_instead: muon's rate is muon_lr"),
        ({"whiten_epochs": 2.5}, "whiten_epochs"),
        ({"label_smoothing": 1.1}, "label_smoothing"),
        ({"cutout": 33}, "cutout"),
        ({"flip": "down"}, "flip"),
        ({"batch_size": None}, "batch_size"),
        ({"leave_out": [3]}, r"leave_out\[0\]"),
        ({"network": "resnet"}, "network: 'resnet' is not known; did you mean resnet9"),
        ({"network": "speednet", "prep": 8}, "prep: the network speednet has no node for it; it is resnet9's"),
        ({"network": "speednet", "ks": 5}, "ks: the network speednet has no node for it"),
        ({"network": "speednet", "res_layers": []}, "res_layers: the network speednet has no node for it"),
        ({"convs": 3}, "convs: the network resnet9 has no node for it; it is speednet's"),
        ({"whiten": 2}, "whiten: resnet9 whitens patches 3 pixels wide"),
        ({"whiten": True}, "whiten: True is none of 0, 2, 3"),
        ({"pool_first": 1}, "pool_first: 1 is none of False, True"),
        ({"sizes": {"28": 1}}, "sizes: resnet9 halves an image three times, which a side of 28 pixels is no good for"),
        ({"network": "speednet", "sizes": {"12": 1}}, "sizes: speednet needs a side of 16 pixels, not 12"),
        ({"sizes": {"24": 20, "16": 5}}, r"sizes: its 25 epochs are more than total_epoch \(24\)"),
        ({"sizes": {"33": 5}}, "sizes: '33' is not known"),
        ({"optimizer": "adam"}, "optimizer: 'adam' is not known"),
        ({"activation": "tanh"}, "activation: 'tanh' is not known"),
        ({"tta": "seven"}, "tta: 'seven' is not known"),
    ],
)
def test_bad_values_name_the_field(values, words):
    with pytest.raises(RecipeError, match=words):
        Recipe.from_dict(values)


def test_bad_json_names_file_and_line(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{\n"prep": 16,\n}')
    with pytest.raises(RecipeError, match=r"mine.json, line 3"):
        find_recipe(str(path))
    path.write_text('{"prep": 0}')
    with pytest.raises(RecipeError, match=r"mine.json: prep"):
        find_recipe(str(path))
    path.write_text("[]")
    with pytest.raises(RecipeError, match="a recipe is a JSON object"):
        find_recipe(str(path))
    with pytest.raises(RecipeError, match="cannot be read"):
        find_recipe(str(tmp_path / "none.json"))
    for content, words in [
        (b"[" * 100_000, "mine.json: lists and objects are nested too deeply"),
        (b'{"prep": ' + b"9" * 5000 + b"}", "mine.json: a number has thousands of digits"),
        (b"\xff", "mine.json: not UTF-8 text"),
        (b'{"prep": ' + b"[" * 500 + b"]" * 500 + b"}", r"mine.json: prep: .* is needed, not \[\["),
        (b'{"extra_layers": [[1]]}', r"mine.json: extra_layers: '\[1\]' is not known"),
    ]:
        path.write_bytes(content)
        with pytest.raises(RecipeError, match=words) as caught:
            find_recipe(str(path))
        assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    path.write_text('{"prep": 8}')
    assert find_recipe(str(path)) == ("mine", Recipe(prep=8))


def test_unknown_recipe_gives_the_nearest():
    with pytest.raises(RecipeError, match="did you mean resnet9-tiny"):
        named_recipe("resnet9-tin")
    with pytest.raises(RecipeError, match="has no parts"):
        Recipe().with_params({"lr_instead.0": 1})
