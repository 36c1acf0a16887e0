"""In which numbers a model is computed: fp32, or half precision where the device is fast at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch


@dataclass(frozen=True)
class Precision:
    """What a device computes in.

    Attributes:
        device: where.
        half: bf16 or fp16 for matrix products; None: fp32 throughout.
        note: for people, when this is not what was asked for; else empty.
    """

    device: torch.device
    half: torch.dtype | None = None
    note: str = ""

    @staticmethod
    def on(device: torch.device, wanted: str) -> Precision:
        """The precision that the configuration asks for, or fp32 where the device would be slower at it."""
        if wanted == "bf16" and bf16_is_fast(device):
            return Precision(device, torch.bfloat16)
        if wanted == "fp16" and device.type == "cuda":
            return Precision(device, torch.float16)
        note = "" if wanted == "fp32" else f"{wanted}: emulated on this device ({device.type}), so fp32 is used"
        return Precision(device, note=note)

    def autocast(self) -> torch.autocast:
        """A block whose matrix products are computed in it."""
        return torch.autocast(self.device.type, self.half or torch.bfloat16, enabled=self.half is not None)

    def scaler(self) -> torch.amp.GradScaler:
        """Keeps small gradients above fp16's smallest number; does nothing in bf16 and fp32, whose range is wide."""
        return torch.amp.GradScaler(self.device.type, enabled=self.half is torch.float16)


def bf16_is_fast(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware; emulated, it is slower than fp32."""
    if device.type == "cuda":
        return cast("bool", torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
