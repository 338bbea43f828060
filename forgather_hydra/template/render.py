"""Template name and variables to rendered text with its source map."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jinja2 import Template

from forgather_hydra.template.diagnose import diagnose
from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.files import Folders, Source
from forgather_hydra.template.functions import CLOCK
from forgather_hydra.template.handed import (
    Handover,
    blocks_to_hand_over,
    can_hand_over,
    hand_over,
)
from forgather_hydra.template.lint import KINDS, read_variables, report
from forgather_hydra.template.load import CURRENT, Load
from forgather_hydra.template.rendered import Rendered
from forgather_hydra.template.source_map import Place, SourceMap


class Renderer:
    """Renders templates found on a search path.

    Args:
        searchpath: a folder or folders, first hit wins; those that do not exist are ignored.
        global_vars: variables visible in every template, imported macros included.
        strict: turn warnings (an override of a block that no parent has, an unused sub-template)
            into errors.
        environment: what compiles templates, made already or to be made with the search path.
    """

    def __init__(
        self,
        searchpath: Folders = ".",
        global_vars: dict[str, Any] | None = None,
        strict: bool = False,
        environment: TemplateEnvironment | type[TemplateEnvironment] = TemplateEnvironment,
    ) -> None:
        if isinstance(environment, type):
            environment = environment(searchpath, global_vars)
        self.environment = environment
        self.errors = KINDS if strict else frozenset[str]()

    def render(
        self,
        name: str,
        variables: dict[str, Any] | None = None,
        pins: dict[str, Any] | None = None,
        errors: frozenset[str] = frozenset(),
        handed: Handover | None = None,
    ) -> Rendered:
        """Render a template by name.

        Args:
            name: name relative to the search path.
            variables: render variables.
            pins: values that variables of ``ns`` keep whatever templates assign.
            errors: kinds of warnings that are errors here.
            handed: what templates that choose this one hand to it, if it is rendered for a
                composition with others: what it hands on itself is then for these to use.

        Raises:
            ForgatherError: template_syntax, missing_template, undefined_variable, security, cycle,
                required_block, super_without_parent or template_runtime, with the template's line.
        """
        variables_handed = handed.variables if handed else ()
        return self._run(name, variables or {}, Load(pins, variables_handed), errors, handed)

    def render_string(self, text: str, variables: dict[str, Any] | None = None) -> Rendered:
        """Render a template given as text; it may use the templates of the search path."""
        load = Load()
        place = Place("<string>", None, 0)
        load.places["<string>"] = place
        return self._run(Source("<string>", "<string>", text, place), variables or {}, load)

    def _run(
        self,
        entry: str | Source,
        variables: dict[str, Any],
        load: Load,
        errors: frozenset[str] = frozenset(),
        handed: Handover | None = None,
    ) -> Rendered:
        load_token = CURRENT.set(load)
        clock_token = None if CLOCK.get() else CLOCK.set(datetime.now(UTC))
        try:
            template = self._entry(entry)
            context = template.new_context({"template_name": template.name, **variables})
            if handed:
                hand_over(handed, context, self.environment, load)
            text = self.environment.concat(template.root_render_func(context))
        except Exception as error:
            message = diagnose(error, self.environment, load, variables)
            raise message from (None if message is error else error)
        finally:
            CURRENT.reset(load_token)
            if clock_token is not None:
                CLOCK.reset(clock_token)
        entry_key = template.name or ""
        passed_on = (
            blocks_to_hand_over(self.environment, load, entry_key)
            if handed is not None and can_hand_over(text)
            else []
        )
        report(self.environment, load, self.errors | errors, passed_on)
        source_map = SourceMap(text, load.places)
        return Rendered(
            str.__str__(text),
            source_map,
            load.assigned,
            list(load.stamps.values()),
            list(load.references),
            load.parents_of_files(),
            load.lookups,
            load.is_fleeting,
            load.looks_everywhere,
            read_variables(self.environment, load),
            self._blocks(load, entry_key),
            tuple(passed_on),
        )

    def _blocks(self, load: Load, entry: str) -> frozenset[str]:
        chain = (entry, *load.ancestors(entry))
        return frozenset().union(*(self.environment.facts[key].blocks for key in chain))

    def _entry(self, entry: str | Source) -> Template:
        if isinstance(entry, Source):
            return self.environment.compiled(entry)
        return self.environment.get_template(entry)
