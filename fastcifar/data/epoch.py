"""The augmentation plan of one epoch on the device, so that a batch takes few operations."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fastcifar.data.augment import Augmentation, EpochPlan, cut_out, cut_out_squares, draw_plan, places, squares, take
from fastcifar.data.upload import upload


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """A plan on the device.

    places, square: results of `places` and `squares` for all images, where that saves launches (not on a CPU).
    """

    plan: EpochPlan
    cutout: int  # side of the zeroed square, in pixels; 0 is none
    places: tuple[Tensor, Tensor] | None
    square: tuple[Tensor, Tensor] | None

    @classmethod
    def draw(
        cls,
        num_images: int,
        augmentation: Augmentation,
        seed: int,
        epoch: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> "Epoch":
        """Draw the plan of `epoch`, and copy it to the device without waiting."""
        drawn = draw_plan(num_images, augmentation, seed, epoch)
        columns = {name: upload(column, device) for name, column in vars(drawn).items() if name != "jitter"}
        plan = EpochPlan(**columns, jitter=upload(drawn.jitter.to(dtype), device))
        at_once, size = device.type != "cpu", augmentation.cutout
        return cls(
            plan=plan,
            cutout=size,
            places=places(plan.order, plan.shift, plan.flip) if at_once else None,
            square=squares(plan.cutout, size) if at_once and size else None,
        )

    def take(self, pixels: Tensor, part: slice) -> Tensor:
        """The images of `part`, shifted and mirrored: (B, 32, 32, C) of pixels (M * 32 * 32, C)."""
        if self.places is not None:
            return take(pixels, *(place[part] for place in self.places))
        return take(pixels, *places(self.plan.order[part], self.plan.shift[part], self.plan.flip[part]))

    def change(self, images: Tensor, part: slice) -> Tensor:
        """The normalised images (B, 32, 32, C) of `part` with other contrast and brightness, and their squares zero."""
        if len(self.plan.jitter):
            factor, term = self.plan.jitter[part, :, None, None, None].unbind(1)
            images = images * factor + term
        if self.square is not None:
            return cut_out_squares(images, *(side[part] for side in self.square))
        return cut_out(images, self.plan.cutout[part], self.cutout) if self.cutout else images
