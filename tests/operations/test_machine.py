"""What a market does to the machine it runs on: nothing outside its own folder, and nothing to its neighbour."""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from operations.run import layout, services
from operations.run.market import Market, market_environment, program
from operations.run.supervisor import Supervisor, read_procfile
from tests.nodes import rpc

OWN_SERVICES = {"DATABASE_URL": "", "REDIS_URL": "", "CHAIN_RPC_URL": "", "PORT": ""}


def modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of a project's files outside var/, and of every folder above it."""
    inside = [path for path in folder.rglob("*") if "var" not in path.relative_to(folder).parts]
    return {path: found(path) for path in (*folder.parents, folder, *inside)}


def found(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


@pytest.fixture
def private_project(tmp_path: Path) -> Path:
    """A project below a folder that only its owner may enter, as a home folder often is."""
    home = tmp_path / "home"
    project = (
        home / "a long name of a project, so long that a socket in it would not fit into its address" / "suan"
    )
    project.mkdir(parents=True)
    (project / "Makefile").touch(mode=0o640)
    home.chmod(0o700)
    return project


@contextmanager
def services_of(var: Path) -> Iterator[Market]:
    variables = market_environment(var, profile="demo", extra=OWN_SERVICES)
    supervisor = Supervisor(var, variables, report=lambda line: None)
    market = Market(var, variables["SUAN_URL"], layout.services(var)["chain_rpc_url"], variables, supervisor)
    commands = read_procfile(layout.PROJECT / "Procfile", variables)
    try:
        supervisor.start(*(program(name, commands[name], market) for name in services.NAMES))
        yield market
    finally:
        market.stop()
        layout.remove(var)


def test_nothing_outside_var_changes_its_mode_or_owner_and_no_user_is_made(private_project: Path) -> None:
    before, users = modes(private_project), Path("/etc/passwd").read_bytes()
    with services_of(private_project / "var") as market:
        assert set(market.processes) == set(services.NAMES)
        run = layout.run_directory(market.var)
        assert modes(private_project) == before
    assert modes(private_project) == before
    assert Path("/etc/passwd").read_bytes() == users
    assert not run.exists()
    assert not (private_project / "var").exists()


def test_secrets_and_data_are_for_their_owner_only(tmp_path: Path) -> None:
    with services_of(tmp_path / "var") as market:
        for name in ("secrets", "run", "log", "postgres", "valkey", "chain"):
            assert stat.S_IMODE((market.var / name).stat().st_mode) & 0o077 == 0, name
        for secret in (market.var / "secrets").iterdir():
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_two_copies_run_side_by_side_and_see_their_own_data(tmp_path: Path) -> None:
    with services_of(tmp_path / "one" / "var") as one, services_of(tmp_path / "two" / "var") as two:
        urls_one, urls_two = layout.services(one.var), layout.services(two.var)
        assert not set(urls_one.values()) & set(urls_two.values())
        assert one.base_url != two.base_url
        rpc(urls_one["chain_rpc_url"], "evm_mine")
        assert rpc(urls_two["chain_rpc_url"], "eth_blockNumber") == "0x0"
        with redis.Redis.from_url(urls_one["redis_url"]) as client:
            client.set("who", "one")
        with redis.Redis.from_url(urls_two["redis_url"]) as client:
            assert client.get("who") is None


def test_killed_services_come_back_at_the_same_address_with_what_was_committed(tmp_path: Path) -> None:
    with services_of(tmp_path / "var") as market:
        urls = layout.services(market.var)
        with psycopg.connect(urls["database_url"]) as connection:
            connection.execute("CREATE TABLE kept (number int)")
            connection.execute("INSERT INTO kept VALUES (42)")
        with redis.Redis.from_url(urls["redis_url"]) as client:
            client.set("kept", "42")
        rpc(urls["chain_rpc_url"], "anvil_mine", "0x5")
        fifth = rpc(urls["chain_rpc_url"], "eth_getBlockByNumber", "0x5", False)["hash"]
        time.sleep(2.2)  # Valkey writes through once a second, and so does the node.

        for name in services.NAMES:
            dead = market.kill(name)
            assert market.wait_restarted(name, dead), (
                f"{name}: {market.supervisor.log(name).read_text()[-2000:]}"
            )

        assert layout.services(market.var) == urls
        with psycopg.connect(urls["database_url"]) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(42,)]
        with redis.Redis.from_url(urls["redis_url"]) as client:
            assert client.get("kept") == b"42"
        assert rpc(urls["chain_rpc_url"], "eth_getBlockByNumber", "0x5", False)["hash"] == fifth


def test_a_lock_file_with_the_number_of_another_program_does_not_stop_postgresql(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with services_of(var) as market:
        market.supervisor.hold("postgres")
        dead = market.kill("postgres")
        lock = var / "postgres" / "postmaster.pid"
        lines = lock.read_text().split("\n")
        lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))
        market.supervisor.release("postgres")
        assert market.wait_restarted("postgres", dead)


def test_half_a_state_file_is_replaced_by_the_last_whole_one(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"block": 7}')
    os.utime(state, (0, 0))
    services.keep_chain(state)
    state.write_text('{"block": 8, "acc')
    services.restore_chain(state)
    assert state.read_text() == '{"block": 7}'


def test_a_second_market_in_the_same_folder_is_refused_with_a_reason(tmp_path: Path) -> None:
    layout.prepare(tmp_path)
    lock = tmp_path / "run" / "market.lock"
    with (
        layout.locked(lock),
        pytest.raises(layout.Refused, match="runs already"),
        layout.locked(lock, wait=False),
    ):
        pass


def test_a_run_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    layout.prepare(tmp_path / "var")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    trap = tmp_path / "suan-trap"
    trap.symlink_to(elsewhere)
    layout.write(tmp_path / "var" / "run" / "directory", str(trap))
    with pytest.raises(layout.Refused, match="is not a folder of this user"):
        layout.run_directory(tmp_path / "var")
