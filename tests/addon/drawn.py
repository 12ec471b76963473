"""What a panel draws, on a layout that writes it down: nothing is drawn without a window."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy


class Layout:
    """Stands in for Blender's: every call is kept, in order, with what it was about."""

    def __init__(self, drawn: list[tuple[str, str]]) -> None:
        self.drawn = drawn

    def _part(self, *_: Any, **__: Any) -> Layout:
        return Layout(self.drawn)

    row = column = box = split = grid_flow = _part

    def separator(self, **_: Any) -> None:
        pass

    def prop(self, data: Any, name: str, **_: Any) -> None:
        assert name in data.bl_rna.properties, f"{data} has no {name}"
        self.drawn.append(("prop", name))

    def prop_search(self, data: Any, name: str, where: Any, names: str, **_: Any) -> None:
        assert hasattr(where, names)
        self.prop(data, name)

    def operator(self, name: str, **options: Any) -> Any:
        group, _, verb = name.partition(".")
        assert hasattr(getattr(bpy.ops, group), verb)
        getattr(getattr(bpy.ops, group), verb).get_rna_type()
        self.drawn.append(("operator", name))
        if options.get("text"):
            self.drawn.append(("button", options["text"]))
        return SimpleNamespace()

    def menu(self, name: str, **_: Any) -> None:
        assert hasattr(bpy.types, name)
        self.drawn.append(("menu", name))

    def label(self, text: str = "", icon: str = "NONE") -> None:
        _is_icon(icon)
        self.drawn.append(("label", text))

    def progress(self, factor: float = 0.0, text: str = "") -> None:
        assert 0.0 <= factor <= 1.0
        self.drawn.append(("progress", text))

    def template_list(self, kind: str, _: str, data: Any, name: str, active: Any, index: str, **__: Any) -> None:
        assert hasattr(bpy.types, kind)
        assert hasattr(active, index)
        for item in getattr(data, name):
            getattr(bpy.types, kind).draw_item(
                SimpleNamespace(), self_context(), Layout(self.drawn), data, item, 0, active, index
            )


def _is_icon(name: str) -> None:
    assert name in bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items, name


def self_context() -> Any:
    """A context as the sidebar has it; without a window the interface has no scale."""
    return SimpleNamespace(
        scene=bpy.context.scene,
        view_layer=bpy.context.view_layer,
        selected_objects=[],
        region=SimpleNamespace(width=300),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
    )


def draw(panel: Any) -> list[tuple[str, str]]:
    """Return what a panel draws; nothing where its poll says that it is not there."""
    drawn: list[tuple[str, str]] = []
    context = self_context()
    if hasattr(panel, "poll") and not panel.poll(context):
        return drawn
    panel.draw(SimpleNamespace(layout=Layout(drawn)), context)
    return drawn


def texts(drawn: list[tuple[str, str]]) -> str:
    """Everything that is written on labels and bars."""
    return " ".join(text for kind, text in drawn if kind in ("label", "progress", "button"))
