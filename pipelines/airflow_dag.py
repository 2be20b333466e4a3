"""Airflow: loads on a schedule, and plans that a person approves before they are applied; for all workspaces.

Put this file into Airflow's folder of DAGs, and install ``dub-source[airflow]`` where tasks run. Name each
workspace by a section ``[sources.dub.workspaces.acme]`` in ``.dlt/config.toml``, in the folder that the
variable ``DLT_PROJECT_DIR`` names, and make an Airflow connection ``dub_acme`` whose password is its key.

``dub_customers`` loads. ``dub_customers_push`` loads, makes the plan of a sync file, waits until somebody has
approved it, and applies it::

    airflow dags trigger dub_customers_push --conf '{"sync": "/opt/syncs/crm_names.toml"}'

They are two, so that no load waits for a person. Each workspace fails alone. To run any task again is safe:
loads merge, an equal plan is the same plan, and an apply goes on where it stopped. So tasks are tried again,
unless that is in vain, as with a key that Dub refuses or a plan that a guard has stopped.

Logs and XComs hold counts and the ids of plans, nothing about people.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Airflow reads this file again and again. What takes seconds to import, such as dlt, the tasks import.
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Connection, Context, Param, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

if TYPE_CHECKING:
    from dub_source.workspaces import Workspace

WORKSPACES = Param(
    None,
    type=["null", "array"],
    items={"type": "string"},
    description="Names of workspaces; empty: all that are configured.",
)
MODE = Param(
    "auto",
    enum=["auto", "incremental", "full"],
    description="full reads everybody, incremental what is new; auto is full once a day.",
)
SYNC = Param(
    None,
    type=["null", "string"],
    description="The sync file (.toml) that says what is desired; {workspace} in its path stands for the "
    "name. Empty: load only.",
)
APPROVAL = Param(
    True, type="boolean", description="Whether somebody must approve the plan before it is applied."
)

# The first delay is Airflow's own setting, default_task_retry_delay.
RETRIES = {"retries": 3, "retry_exponential_backoff": 2.0, "max_retry_delay": timedelta(minutes=30)}

LOADED = (
    "mode reason read created updated deleted refreshed rows requests seconds throttled_seconds complete "
    "certified unread resumed run_id"
).split()
PLANNED = (
    "plan_id sync changes counts requests seconds guards_passed cannot_be_undone warnings results".split()
)
"""What of a result is kept as XCom."""

IN_PLAN = "{% set plan = ti.xcom_pull(task_ids='workspace.plan', map_indexes=ti.map_index) %}"
SUBJECT = IN_PLAN + "Apply {{ plan.plan_id }} to the workspace {{ plan.workspace }}?"
BODY = IN_PLAN + "{{ plan.review }}"
"""The plan as Markdown, people's values hidden."""


@dag(
    schedule="*/15 * * * *",
    catchup=False,
    max_active_runs=1,
    params={"workspaces": WORKSPACES, "mode": MODE},
    default_args=RETRIES,
    tags=["dub"],
)
def dub_customers() -> None:
    """Check each workspace's key, then bring its customers up to date."""

    @task_group
    def workspace(name: str) -> None:
        check(name) >> load(name)

    workspace.expand(name=names())


@dag(
    schedule=None,
    params={"workspaces": WORKSPACES, "mode": MODE, "sync": SYNC, "approval": APPROVAL},
    default_args=RETRIES,
    tags=["dub"],
)
def dub_customers_push() -> None:
    """Load, plan what a sync file says, wait for approval, apply."""

    @task_group
    def workspace(name: str) -> None:
        planned: Any = plan(name)
        approved = Approval(
            task_id="approve",
            subject=SUBJECT,
            body=BODY,
            # Nobody has said yes: nothing is sent. A plan is too old to apply after a day.
            response_timeout=timedelta(hours=12),
            defaults=Approval.REJECT,
        )
        check(name) >> load(name) >> planned >> approved >> apply(name, planned)

    workspace.expand(name=names())


class Approval(ApprovalOperator):
    """Waits for a person if the run was asked to. Rejected, it is skipped, and so is what comes next."""

    def execute(self, context: Context) -> Any:
        """See Airflow's ApprovalOperator."""
        if context["params"]["approval"]:
            return super().execute(context)
        self.log.info("This run asks nobody.")
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """See Airflow's ApprovalOperator."""
        answer = super().execute_complete(context, event)
        if answer["chosen_options"] != [self.APPROVE]:
            # In a mapped group, Airflow 3.3 overlooks what the operator notes to be skipped (its issue
            # 67265), and would apply what was rejected.
            raise AirflowSkipException("The plan was rejected: nothing is sent.")
        return answer


@task
def names() -> list[str]:
    """The workspaces; for each, the tasks of the group are made."""
    from dub_source.errors import SettingsError
    from dub_source.workspaces import workspace_names

    with in_one_sentence():
        wanted: list[str] = get_current_context()["params"]["workspaces"] or workspace_names()
        if not wanted:
            raise SettingsError(
                "There are no workspaces: give each a section such as [sources.dub.workspaces.acme] in "
                ".dlt/config.toml, in the folder that DLT_PROJECT_DIR names."
            )
        return wanted


@task
def check(name: str) -> None:
    """Look at the key before anything is done with it."""
    from dub_source import runs

    with configured(name) as workspace:
        for finding in runs.check(**workspace.options):
            print(f"{finding.topic}: {finding.text}")
            if finding.error is not None:
                raise finding.error


@task
def load(name: str) -> dict[str, Any]:
    """Bring the customers up to date."""
    from dub_source import runs

    with configured(name) as workspace:
        mode = get_current_context()["params"]["mode"]
        result = runs.load(workspace.target, **{**workspace.options, "mode": mode}).as_json()
    counts = {each: result[each] for each in LOADED}
    if not result["complete"]:
        print(counts)
        raise AirflowFailException(f"The customers are not all there: complete except {result['unread']}.")
    return counts


@task
def plan(name: str) -> dict[str, Any]:
    """Compare what is desired with the customers, and store what would have to change; changes nothing."""
    from dub_source import runs
    from dub_source.reverse.sync_file import read_sync

    sync = get_current_context()["params"]["sync"]
    if not sync:
        raise AirflowSkipException("No sync file was named: there is nothing to plan.")
    with configured(name) as workspace:
        file = Path(sync.replace("{workspace}", name))
        options = runs.push_options(workspace.options)
        result = runs.plan(workspace.target, read_sync(file), folder=file.parent, **options)
    if not result.plan.changes:
        raise AirflowSkipException("Dub is as it should be: the plan is empty.")
    values = result.as_json()
    return {"workspace": name, "review": result.as_markdown()} | {each: values[each] for each in PLANNED}


@task
def apply(name: str, planned: dict[str, Any]) -> dict[str, Any]:
    """Send what the plan lists, or what is left of it."""
    from dub_source import runs

    with configured(name) as workspace:
        options = runs.push_options(workspace.options)
        result = runs.apply(workspace.target, planned["plan_id"], **options)
        if result.stopped_by is not None:
            raise result.stopped_by
    counts = {outcome.value: number for outcome, number in result.counts.items()}
    if not result.complete:
        raise AirflowFailException(f"Not all of the plan is in effect, see push_log: {counts}")
    return counts


@contextmanager
def configured(name: str) -> Iterator["Workspace"]:
    """A workspace with its place, its settings and the key of its Airflow connection."""
    import dlt

    from dub_source.workspaces import select

    with in_one_sentence():
        key = Connection.get(f"dub_{name}").password
        dlt.secrets[f"sources.dub.workspaces.{name}.api_key"] = key
        (workspace,) = select([name])
        yield workspace


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Say what went wrong in words without personal data, and retry only what may go through then.

    The words of dlt and of destinations quote rows, and Airflow would log them.
    """
    from dub_source.failures import explain

    try:
        yield
    except AirflowNotFoundException as error:
        raise AirflowFailException(str(error)) from None
    except AirflowException:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its words stay here
        failure = explain(error)
        kind = AirflowException if failure.exit_code.retryable else AirflowFailException
        raise kind(failure.sentence) from None
    except BaseException as error:
        raise error from None  # it may have come in the midst of an error that quotes rows


dub_customers()
dub_customers_push()
