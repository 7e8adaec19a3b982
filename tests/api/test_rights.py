"""Which logins serve, and what those may who own the tables and are no superuser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gridmap.store.loop import Action
from gridmap.store.postgis import server_programs
from tests.api.conftest import gridmap
from tests.command import run
from tests.conftest import migrate, new_database
from tests.districts import COMMUNITY
from tests.reporting import OFFICE, RESIDENT, SPONSOR, Desk, desk_of_a_district

REPORTS = "{ reports { nodes { description events { action } reporter { name } } } }"


def as_login(url: str, name: str) -> str:
    return url.replace("//gridmap@", f"//{name}@")


@pytest.fixture(scope="module")
def owned_url(cluster_url: str, empty_template: str) -> str:
    """A database that an owner without further rights has migrated; he may serve too."""
    assert empty_template  # which has made the roles
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE owner_of_tables LOGIN")
        connection.execute("GRANT gridmap_server, gridmap_keeper TO owner_of_tables")
    url = new_database(cluster_url, "owned")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgis; CREATE EXTENSION btree_gist")
        connection.execute("ALTER DATABASE owned OWNER TO owner_of_tables")
    migrate(as_login(url, "owner_of_tables"))
    return as_login(url, "owner_of_tables")


@pytest.fixture(scope="module")
def desk(owned_url: str) -> Iterator[Desk]:
    with desk_of_a_district(owned_url) as desk:
        yield desk


def test_an_owner_without_further_rights_keeps_reports_and_serves(desk: Desk) -> None:
    report = desk.submit()  # as the owner, all in one statement
    steps = (Action.REGISTER, OFFICE), (Action.DISPATCH, OFFICE), (Action.ACCEPT, SPONSOR)
    desk.go(report, *steps)
    found = desk.ask(REPORTS, OFFICE).data["reports"]["nodes"]
    assert found == [
        {
            "description": report.description,
            "events": [{"action": step} for step in ("SUBMIT", "REGISTER", "DISPATCH", "ACCEPT")],
            "reporter": {"name": "王某"},
        }
    ]
    assert desk.ask(REPORTS, RESIDENT).data["reports"]["nodes"] == found


def test_what_an_owner_has_dumped_is_whole_and_another_owns_it_after_a_restore(
    desk: Desk, owned_url: str, cluster_url: str, tmp_path: Path
) -> None:
    desk.submit()
    programs, dump = server_programs(), tmp_path / "gridmap.dump"
    subprocess.run(
        [
            *(programs / "pg_dump", "--enable-row-security", "--format=custom"),
            *(f"--file={dump}", owned_url),
        ],
        check=True,
    )
    restored = new_database(cluster_url, "restored")
    subprocess.run(
        [programs / "pg_restore", "--no-owner", f"--dbname={restored}", dump], check=True
    )
    # The superuser who restores it gives it to somebody else, who then migrates.
    with psycopg.connect(restored, autocommit=True) as connection:
        connection.execute(
            "CREATE ROLE next_owner LOGIN; ALTER DATABASE restored OWNER TO next_owner"
        )
        for kind, relations in (("TABLE", "'r'"), ("SEQUENCE", "'S'")):
            rows = connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
                f"AND relkind IN ({relations}) AND relname <> 'spatial_ref_sys' "
                "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid "
                "AND deptype = 'i')"
            ).fetchall()
            for (name,) in rows:
                connection.execute(f"ALTER {kind} {name} OWNER TO next_owner")
    migrate(as_login(restored, "next_owner"))
    told = []
    for url in (owned_url, as_login(restored, "next_owner")):
        with psycopg.connect(url) as connection:
            told.append(
                connection.execute(
                    "SELECT array_agg(reports.id ORDER BY serial), count(reporters) "
                    "FROM reports LEFT JOIN reporters ON report_id = id"
                ).fetchone()
            )
    assert told[0] == told[1]
    assert told[0] != ([], 0)


def test_what_a_restore_by_an_owner_leaves_out_is_made_anew_or_named(
    cluster_url: str, empty_template: str, tmp_path: Path
) -> None:
    # A superuser has migrated it, and so the dump asks for what only a superuser may make.
    source = cluster_url.replace("/gridmap?", f"/{empty_template}?")
    programs, dump = server_programs(), tmp_path / "gridmap.dump"
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", source], check=True)
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE restorer LOGIN")
        connection.execute("GRANT gridmap_server, gridmap_keeper TO restorer")
    restored = new_database(cluster_url, "restored_by_owner")
    with psycopg.connect(restored, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgis; CREATE EXTENSION btree_gist")
        connection.execute("ALTER DATABASE restored_by_owner OWNER TO restorer")
    url = as_login(restored, "restorer")
    done = subprocess.run(
        [programs / "pg_restore", "--no-owner", f"--dbname={url}", dump],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "only superuser can define a leakproof function" in done.stderr

    # 1. Tools and the server do not take it for whole.
    refused = run("export", "regions", str(tmp_path / "r.csv"), DATABASE_URL=url)
    assert refused.returncode == 1
    assert "function gridmap_words(said text). Run `gridmap migrate`" in refused.stderr
    # 2. What anybody may make is made anew.
    mended = run("migrate", DATABASE_URL=url)
    assert mended.returncode == 0, mended.stderr
    assert "gridmap_words(text), index regions_name_idx" in mended.stdout
    names = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    found = []
    for each in (source, url):
        with psycopg.connect(each) as connection:
            found.append(connection.execute(names).fetchall())
    assert found[0] == found[1]
    assert "anew" not in run("migrate", DATABASE_URL=url).stdout
    # 3. What is more than that is named.
    with psycopg.connect(url) as connection:
        connection.execute("DROP POLICY keeper ON reports; DROP TRIGGER visits_are_final ON visits")
        connection.execute("REVOKE SELECT ON grids FROM gridmap_viewer")
    refused = run("migrate", DATABASE_URL=url)
    assert refused.returncode == 1
    assert (
        "lacks what its migrations have made: policy reports.keeper, right SELECT grids of "
        "gridmap_viewer, trigger visits.visits_are_final." in refused.stderr.replace("\n", " ")
    )


def test_a_login_that_no_policy_holds_does_not_serve(demo_url: str) -> None:
    refused = run("serve", DATABASE_URL=demo_url, PORT="0")
    assert refused.returncode == 1
    assert "superuser" in refused.stderr
    assert "GRANT gridmap_server, gridmap_keeper TO" in refused.stderr


def test_a_login_serves_that_may_take_the_roles_and_no_other(demo_url: str) -> None:
    with psycopg.connect(demo_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE gridmap_login LOGIN")
    url = as_login(demo_url, "gridmap_login")
    refused = run("serve", DATABASE_URL=url, PORT="0")
    assert refused.returncode == 1
    assert "GRANT gridmap_server, gridmap_keeper TO" in refused.stderr
    with psycopg.connect(demo_url, autocommit=True) as connection:
        connection.execute("GRANT gridmap_server, gridmap_keeper TO gridmap_login")
    # An empty password is none: the server logs in as the address says.
    with gridmap("serve", DATABASE_URL=url, GRIDMAP_SERVER_PASSWORD="") as server:
        found = server.ask(f'{{ region(code: "{COMMUNITY}") {{ name }} }}')
    assert found["region"] is not None
