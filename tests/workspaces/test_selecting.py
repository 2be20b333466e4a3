"""Which workspaces there are, what each of them is, and what cannot be."""

import os
import subprocess
import sys
from pathlib import Path

import dlt
import pytest

from dub_source import dub
from dub_source.destinations import Target
from dub_source.errors import SettingsError
from dub_source.runs import push_options
from dub_source.workspaces import select, workspace_names
from tests.conftest import StartSandbox
from tests.workspaces.conftest import Project

SECRETS = """
[sources.dub.workspaces.acme]
api_key = "dub_acme"
base_url = "http://127.0.0.1:1"
max_rate_share = 0.5
exclude_columns = ["email"]

[sources.dub.workspaces.globex]
api_key = "dub_globex"
dataset = "crm"
database = "other.duckdb"
"""


def variable(name: str, setting: str) -> str:
    return f"SOURCES__DUB__WORKSPACES__{name.upper()}__{setting.upper()}"


def refusal(names: list[str] | None = None) -> str:
    with pytest.raises(SettingsError) as refused:
        select(names)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "dub_acme" not in sentence.replace("the dataset 'dub_acme'", "")
    return sentence


def test_each_has_its_own_key_settings_dataset_and_file(project: Project) -> None:
    project(SECRETS)
    acme, globex = select()
    assert acme.target == Target("duckdb", "dub_acme", Path("dub_customers_acme.duckdb"))
    assert acme.options == {
        "api_key": "dub_acme",
        "base_url": "http://127.0.0.1:1",
        "max_rate_share": 0.5,
        "exclude_columns": ["email"],
    }
    assert globex.target == Target("duckdb", "crm", Path("other.duckdb"))
    assert globex.options == {"api_key": "dub_globex"}


def test_some_in_the_order_asked_for(project: Project) -> None:
    project(SECRETS)
    assert [each.name for each in select(["globex", "acme"])] == ["globex", "acme"]
    assert [each.name for each in select(["globex"])] == ["globex"]


def test_place_of_those_that_name_none(project: Project) -> None:
    project(SECRETS)
    acme, globex = select(destination="postgres", dataset="crm_of", database="all.duckdb")
    assert acme.target == Target("postgres", "crm_of_acme", Path("all.duckdb"))
    assert globex.target == Target("postgres", "crm", Path("other.duckdb"))


def test_workspaces_of_the_environment_with_values_of_their_types(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project()
    for setting, value in {
        "api_key": "dub_1",
        "max_rate_share": "0.25",
        "page_size": "50",
        "include_expanded_fields": "false",
        "exclude_columns": '["email", "name"]',
    }.items():
        monkeypatch.setenv(variable("acme_eu", setting), value)
    (only,) = select()
    assert only.name == "acme_eu"
    assert only.options == {
        "api_key": "dub_1",
        "max_rate_share": 0.25,
        "page_size": 50,
        "include_expanded_fields": False,
        "exclude_columns": ["email", "name"],
    }


def test_the_environment_wins_over_a_file_for_the_same_workspace(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(SECRETS)
    monkeypatch.setenv(variable("acme", "api_key"), "dub_rotated")
    assert select(["acme"])[0].options["api_key"] == "dub_rotated"


def test_a_shared_key_is_the_key_of_no_workspace(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt's own search would take it, and load one workspace into the datasets of all."""
    project(SECRETS + '[sources.dub.workspaces.initech]\ndataset = "initech"\n')
    monkeypatch.setenv("SOURCES__DUB__API_KEY", "dub_shared")
    assert select(["acme"])[0].options["api_key"] == "dub_acme"
    assert "initech has no key of its own" in refusal(["initech"])


def test_a_key_that_is_missing_here_matters_to_its_workspace_alone(project: Project) -> None:
    """A machine that runs one workspace needs the key of that one."""
    project('[sources.dub.workspaces.acme]\napi_key = "dub_1"\n', "[sources.dub.workspaces.globex]\n")
    assert [each.name for each in select(["acme"])] == ["acme"]
    assert "globex has no key of its own" in refusal()


def test_keys_are_not_shown(project: Project) -> None:
    project(SECRETS)
    assert "dub_globex" not in repr(select())


@pytest.mark.parametrize(
    "secrets, config, said",
    (
        ("", "", "There are no workspaces in the settings"),
        ('[sources.dub.workspaces.Acme]\napi_key = "dub_1"', "", "[sources.dub.workspaces.Acme]"),
        ('[sources.dub.workspaces.a__b]\napi_key = "dub_1"', "", "[sources.dub.workspaces.a__b]"),
        ('[sources.dub.workspaces]\nacme = "dub_1"', "", "not a section of a workspace"),
        ('[sources.dub]\nworkspaces = ["acme"]', "", "must be a section for each workspace"),
        ("", '[sources.dub.workspaces.acme]\napi_key = "dub_1"', "is secret: move it"),
        ('[sources.dub.workspaces.acme]\napi_kee = "dub_1"', "", "did you mean api_key?"),
        ('[sources.dub.workspaces.acme]\napi_key = "dub_1"\nobserver = 1', "", "setting observer"),
        ('[sources.dub.workspaces.acme]\napi_key = "sk_1"', "", "acme cannot be used"),
        ('[sources.dub.workspaces.acme]\napi_key = " "', "", "api_key of the workspace acme is empty"),
        ('[sources.dub.workspaces.acme]\napi_key = "dub_1"\npage_size = "x"', "", "value of the wrong type"),
        ('[sources.dub.workspaces.acme]\napi_key = "dub_1"\ndataset = "A-b"', "", "cannot have the dataset"),
        ('[sources.dub.workspaces.staging]\napi_key = "dub_1"', "", "staging cannot have the dataset"),
        (
            '[sources.dub.workspaces.a]\napi_key = "dub_1"\n[sources.dub.workspaces.b]\napi_key = "dub_1"',
            "",
            "a and b have the same key",
        ),
        (
            '[sources.dub.workspaces.a]\napi_key = "dub_1"\n'
            '[sources.dub.workspaces.b]\napi_key = "dub_2"\ndataset = "dub_a"\n'
            'database = "./dub_customers_a.duckdb"',
            "",
            "a and b have the same dataset 'dub_a'",
        ),
    ),
)
def test_what_cannot_be(project: Project, secrets: str, config: str, said: str) -> None:
    project(secrets, config)
    assert said in refusal()


def test_names_that_do_not_exist_or_come_twice(project: Project) -> None:
    project(SECRETS)
    assert "There is no workspace acne in the settings, only acme, globex" in refusal(["acme", "acne"])
    assert "acme is named twice" in refusal(["acme", "acme"])


@pytest.mark.parametrize("name", ("ACME", "ACME__EU__API_KEY", "__API_KEY", "1__API_KEY"))
def test_variables_that_are_no_setting_of_a_workspace(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project()
    monkeypatch.setenv(f"SOURCES__DUB__WORKSPACES__{name}", "dub_1")
    assert "is not the setting of a workspace" in refusal()
    with pytest.raises(SettingsError, match="is not the setting of a workspace"):
        workspace_names()


def test_the_two_ways_to_list_workspaces_agree(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project(SECRETS, "[sources.dub.workspaces.initech]\n")
    monkeypatch.setenv(variable("hooli", "api_key"), "dub_hooli")
    monkeypatch.setenv(variable("initech", "api_key"), "dub_initech")
    assert workspace_names() == [each.name for each in select()] == ["acme", "globex", "hooli", "initech"]


@pytest.mark.parametrize("home", (True, False))
def test_files_where_the_environment_says_they_are(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, home: bool
) -> None:
    """In another project's folder, and in the user's own, which dlt looks into as well."""
    place = tmp_path / "elsewhere"
    if home:
        if os.geteuid() == 0:
            monkeypatch.setattr("os.geteuid", lambda: 1000)
        monkeypatch.setenv("HOME", str(place))
    else:
        monkeypatch.setenv("DLT_PROJECT_DIR", str(place))
    (place / ".dlt").mkdir(parents=True)
    (place / ".dlt" / "secrets.toml").write_text(SECRETS)
    project()
    assert workspace_names() == [each.name for each in select()] == ["acme", "globex"]


def test_listing_says_which_file_is_broken(project: Project) -> None:
    folder = project()
    (folder / ".dlt" / "config.toml").write_text("broken [[[")
    with pytest.raises(SettingsError, match=r"The file \.dlt/config\.toml is not valid TOML"):
        workspace_names()


def test_listing_does_not_import_dlt(project: Project) -> None:
    folder = project(SECRETS)
    program = (
        "import sys; from dub_source.workspaces import workspace_names; print(*workspace_names()); "
        "print([each for each in ('dlt', 'pyarrow', 'duckdb') if each in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["acme globex", "[]"]


def test_the_example_shows_what_works(project: Project) -> None:
    """The commented lines of the example, as somebody would uncomment them."""
    example = Path(__file__).parents[2] / ".dlt" / "example.secrets.toml"
    _, _, commented = example.read_text().partition("# [sources.dub.workspaces.acme]")
    lines = [
        line.removeprefix("#").strip() for line in f"[sources.dub.workspaces.acme]{commented}".splitlines()
    ]
    project("\n".join(lines))
    acme, globex = select()
    assert acme.target == Target("duckdb", "dub_acme", Path("dub_customers_acme.duckdb"))
    assert globex.target == Target("duckdb", "globex", Path("globex.duckdb"))
    assert globex.options == {"api_key": "dub_key_of_globex", "max_rate_share": 0.5}


def test_plans_take_the_settings_that_matter_to_them(project: Project) -> None:
    project(SECRETS.replace("max_rate_share", "page_size = 50\nmax_rate_share"))
    (acme,) = select(["acme"])
    assert push_options(acme.options) == {
        name: acme.options[name] for name in acme.options if name != "page_size"
    }


def test_no_key_in_what_dlt_notes_about_a_run(
    project: Project, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """Not even where a script of somebody's runs the source, and dlt keeps its trace."""
    sandbox = start_sandbox(3)
    key = sandbox.key()
    folder = project(f'[sources.dub.workspaces.acme]\napi_key = "{key}"\nbase_url = "{sandbox.url}"\n')
    (acme,) = select()
    pipeline = dlt.pipeline(
        "acme", destination=dlt.destinations.duckdb("rows.duckdb"), dataset_name="dub_acme"
    )
    pipeline.run(dub(**acme.options))
    assert len(sandbox.requests) > 0
    trace = pipeline.last_trace
    assert trace is not None
    assert key not in str(trace.asdict())
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any("trace" in file.name for file in files), "there is a trace to look into"
    assert [file for file in files if key.encode() in file.read_bytes()] == [folder / ".dlt" / "secrets.toml"]
