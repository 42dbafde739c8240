"""No setting is without a test that shows it acting on a real server: the table says which, and that it exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from asteri_core.config import all_settings
from asteri_core.registry import Registry

ROOT = Path(__file__).parents[2]
HTTP, HTTP2, LISTENING, PROCESSES, LOGS, TLS, WEBSOCKET = (
    f"tests/settings/test_{name}.py" for name in ("http", "http2", "listening", "processes", "logs", "tls", "websocket")
)
STUCK, STOPPING, RECYCLING = (f"tests/lifecycle/test_{name}.py" for name in ("stuck", "stopping", "recycling"))

ACTING = {
    # Listening and connections
    "bind": f"{LISTENING}::test_it_listens_wherever_it_is_told_to",
    "backlog": f"{LISTENING}::test_the_backlog_limits_the_queue",
    "reuse_port": f"{LISTENING}::test_several_servers_share_a_port",
    "unix_mode": f"{LISTENING}::test_a_unix_socket_gets_its_mode_and_its_owner",
    "unix_user": f"{LISTENING}::test_a_unix_socket_gets_its_mode_and_its_owner",
    "unix_group": f"{LISTENING}::test_a_unix_socket_gets_its_mode_and_its_owner",
    "http": f"{LISTENING}::test_only_the_protocols_asked_for_are_spoken",
    "worker_connections": f"{LISTENING}::test_more_connections_than_a_worker_holds_wait_their_turn",
    "body_buffer": f"{LISTENING}::test_a_body_beyond_the_buffer_goes_to_a_file",
    "write_timeout": f"{HTTP}::test_a_peer_that_reads_nothing_is_cut_off",
    "handshake_timeout": f"{HTTP}::test_a_peer_that_waits_is_let_go_after_its_time",
    "request_timeout": f"{STUCK}::test_an_overdue_request_is_answered_504_and_leaves_its_stack_and_others_go_on",
    # TLS, and the PROXY header before it
    "certfile": f"{TLS}::test_a_bind_speaks_tls_and_cleartext_as_the_client_begins",
    "keyfile": f"{TLS}::test_a_bind_speaks_tls_and_cleartext_as_the_client_begins",
    "keyfile_password": f"{TLS}::test_the_password_opens_an_encrypted_key",
    "ca_certs": f"{TLS}::test_a_client_shows_its_certificate_where_it_is_asked",
    "cert_reqs": f"{TLS}::test_a_client_shows_its_certificate_where_it_is_asked",
    "ciphers": f"{TLS}::test_the_ciphers_are_those_asked_for",
    "tls_min_version": f"{TLS}::test_the_oldest_version_is_the_one_asked_for",
    "sni": f"{TLS}::test_the_certificate_is_that_of_the_name_asked_for",
    "tls_reload": f"{TLS}::test_certificates_that_change_are_loaded_without_a_restart_and_bad_ones_are_not",
    "proxy_protocol": f"{TLS}::test_a_trusted_proxy_says_who_its_client_is",
    "proxy_allow_ips": f"{TLS}::test_the_header_of_anybody_else_is_no_header",
    # The application and its processes
    "app": f"{PROCESSES}::test_the_application_and_its_interface_are_those_named",
    "interface": f"{PROCESSES}::test_the_application_and_its_interface_are_those_named",
    "workers": f"{PROCESSES}::test_there_are_as_many_workers_as_asked_for",
    "worker_class": f"{PROCESSES}::test_the_worker_model_is_the_one_asked_for",
    "threads": f"{PROCESSES}::test_threads_run_requests_at_the_same_time",
    "timeout": f"{STUCK}::test_a_stuck_worker_leaves_its_stack_and_is_replaced",
    "graceful_timeout": f"{STOPPING}::test_what_runs_longer_than_the_graceful_timeout_is_shown_and_ended",
    "max_requests": f"{RECYCLING}::test_a_worker_is_replaced_at_the_limit_and_not_before",
    "max_requests_jitter": f"{RECYCLING}::test_the_jitter_draws_a_limit_for_each_worker",
    "max_lifetime": f"{RECYCLING}::test_workers_are_replaced_after_so_many_seconds_under_load",
    "max_lifetime_jitter": f"{RECYCLING}::test_the_jitter_of_the_lifetime_spreads_the_workers",
    "max_memory": f"{RECYCLING}::test_a_worker_that_takes_too_much_memory_is_replaced",
    "preload": f"{PROCESSES}::test_preload_loads_the_application_once_and_shares_it",
    "daemon": f"{PROCESSES}::test_a_daemon_leaves_its_terminal_and_its_starter_when_it_is_ready",
    "pid": f"{PROCESSES}::test_the_pid_file_names_the_arbiter_and_a_stale_one_is_taken_over",
    "user": f"{PROCESSES}::test_workers_become_another_user_and_group_and_keep_their_logs",
    "group": f"{PROCESSES}::test_workers_become_another_user_and_group_and_keep_their_logs",
    "umask": f"{PROCESSES}::test_the_mask_of_new_files_is_the_one_asked_for",
    "chdir": f"{PROCESSES}::test_the_directory_is_entered_before_the_application_is_loaded",
    "name": f"{PROCESSES}::test_the_processes_bear_the_name",
    "env": f"{PROCESSES}::test_the_environment_is_set_before_the_application_is_loaded",
    # Logs
    "access_logfile": f"{LOGS}::test_every_request_is_a_line_of_the_access_log",
    "access_logformat": f"{LOGS}::test_the_access_log_has_the_format_asked_for",
    "error_logfile": f"{LOGS}::test_the_error_log_is_written_to_its_file",
    "log_level": f"{LOGS}::test_the_level_leaves_out_what_is_below_it",
    "log_config": f"{LOGS}::test_a_logging_configuration_replaces_the_other_settings",
    "capture_output": f"{LOGS}::test_what_the_application_prints_is_captured",
    "log_color": f"{LOGS}::test_colours_are_for_terminals",
    # ASGI and worker models
    "lifespan": f"{LISTENING}::test_the_lifespan_is_run_as_asked_for",
    "asgi_debug": f"{LISTENING}::test_the_debug_extension_is_offered_when_asked_for",
    "loop": f"{LISTENING}::test_the_loop_is_the_one_asked_for",
    # HTTP
    "keep_alive": f"{HTTP}::test_a_peer_that_waits_is_let_go_after_its_time",
    "header_timeout": f"{HTTP}::test_a_peer_that_waits_is_let_go_after_its_time",
    "body_timeout": f"{HTTP}::test_a_peer_that_waits_is_let_go_after_its_time",
    "body_min_rate": f"{HTTP}::test_a_dribbled_body_is_ended_by_its_rate",
    "limit_request_line": f"{HTTP}::test_a_limit_refuses_what_is_beyond_it",
    "limit_request_fields": f"{HTTP}::test_a_limit_refuses_what_is_beyond_it",
    "limit_request_field_size": f"{HTTP}::test_a_limit_refuses_what_is_beyond_it",
    "limit_request_head": f"{HTTP}::test_a_limit_refuses_what_is_beyond_it",
    "limit_request_body": f"{HTTP}::test_a_limit_refuses_what_is_beyond_it",
    "server_header": f"{HTTP}::test_the_server_field_is_what_is_asked_for",
    "date_header": f"{HTTP}::test_the_date_field_can_be_left_out",
    "root_path": f"{HTTP}::test_the_root_path_reaches_the_application",
    "forwarded_allow_ips": f"{HTTP}::test_a_proxy_says_who_its_client_is",
    "forwarded_hops": f"{HTTP}::test_a_proxy_says_who_its_client_is",
    # HTTP/2
    "h2c_allow_ips": f"{HTTP2}::test_only_trusted_peers_speak_it_without_tls",
    "http2_max_concurrent_streams": f"{HTTP2}::test_streams_beyond_the_limit_are_refused",
    "http2_initial_window_size": f"{HTTP2}::test_a_client_may_send_so_much_of_a_body",
    "http2_window_timeout": f"{HTTP2}::test_a_response_without_a_window_is_reset_in_time",
    # WebSocket
    "ws_max_size": f"{WEBSOCKET}::test_a_larger_message_ends_the_conversation",
    "ws_max_queue": f"{WEBSOCKET}::test_a_client_is_not_read_from_while_too_many_messages_wait",
    "ws_ping_interval": f"{WEBSOCKET}::test_a_silent_client_is_asked_and_given_up",
    "ws_ping_timeout": f"{WEBSOCKET}::test_a_silent_client_is_asked_and_given_up",
    "ws_per_message_deflate": f"{WEBSOCKET}::test_compression_can_be_switched_off",
    # The uwsgi protocol
    "uwsgi_allow_ips": f"{LISTENING}::test_only_trusted_peers_speak_uwsgi",
}


def test_every_setting_has_a_test_that_shows_it_acting() -> None:
    assert sorted(ACTING) == sorted(all_settings(Registry.load()))


@pytest.mark.parametrize("name", ACTING)
def test_the_test_exists_and_gives_the_setting(name: str) -> None:
    path, _, function = ACTING[name].partition("::")
    source = (ROOT / path).read_text()
    assert function in {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    spellings = (
        "app=" if name == "app" else f"--{name.replace('_', '-')}",
        f'"{name}"',
        f"--no-{name.replace('_', '-')}",
    )
    short = {"daemon": '"-D"'}.get(name, spellings[0])
    assert any(text in source for text in (*spellings, short)), f"{path} never gives {name}"
