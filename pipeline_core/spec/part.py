"""What every declared part of a spec has in common."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a spec: unknown keys fail, values cannot change, docstrings are the reference."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=False,
    )

    def plain(self) -> dict[str, Any]:
        """Return the part as plain JSON values, defaults included; durations are microseconds."""
        return self.model_dump(mode="json", by_alias=True)
