"""The section `volume` of a configuration."""

from typing import Self

import pydantic
from pydantic import Field

from synimg.model import Model, VoxelUm


class Volume(Model):
    """The imaged block."""

    shape_vox: tuple[int, int, int] = Field((48, 512, 512), description="voxels along z, y, x")
    voxel_um: VoxelUm = Field((0.2, 0.07, 0.07), description="voxel size along z, y, x [um]")
    chunk_vox: tuple[int, int, int] = Field((16, 256, 256), description="chunk of the zarr arrays and block of work")
    shard_vox: tuple[int, int, int] = Field(
        (0, 0, 0),
        description="for large volumes, a multiple of chunk_vox: one file and block of work of many chunks; 0: a file each",
    )

    @pydantic.field_validator("shape_vox", "chunk_vox")
    @classmethod
    def _whole(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value) < 1:
            raise ValueError("every entry must be 1 voxel or more (z, y, x)")
        return value

    @pydantic.model_validator(mode="after")
    def _whole_shards(self) -> Self:
        pairs = list(zip(self.shard_vox, self.chunk_vox, strict=True))
        if any(self.shard_vox) and not all(shard > 0 and shard % chunk == 0 for shard, chunk in pairs):
            raise ValueError(
                f"shard_vox = {list(self.shard_vox)} is not a multiple of chunk_vox = {list(self.chunk_vox)} on every axis"
            )
        return self

    @property
    def block_vox(self) -> tuple[int, int, int]:
        """Voxels of a file, which are a block of work."""
        return self.shard_vox if any(self.shard_vox) else self.chunk_vox

    @property
    def size_um(self) -> tuple[float, float, float]:
        """Edge lengths of the block [um]."""
        return tuple(n * s for n, s in zip(self.shape_vox, self.voxel_um, strict=True))  # type: ignore[return-value]
