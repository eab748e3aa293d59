//! What the command line says, and leaves behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Place, free_address, id};

/// Runs the program in a folder with nothing set but what is given, and an admin address that is free.
fn gittix(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gittix"));
    command.env_clear().current_dir(folder).args(arguments).stdin(Stdio::null());
    command.env("GITTIX_HTTP__ADMIN_LISTEN", free_address());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn every_failure_names_the_file_and_what_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text"), "this is no store").unwrap();
    for (arguments, expected) in [
        (&["verify"][..], &["cannot verify", "data/gittix.redb", "No such file"][..]),
        (&["backup", "copy"], &["cannot back up data/gittix.redb", "copy"]),
        (&["restore", "missing"], &["cannot restore data/gittix.redb from missing"]),
        (&["restore", "text"], &["cannot restore", "from text", "not a gittix store"]),
        (&["charges"], &["cannot ask", "http.admin_listen 127.0.0.1:", "refused"]),
        (&["--config", "missing.toml"], &["missing.toml", "No such file"]),
    ] {
        let (ok, out, said) = gittix(folder.path(), arguments);
        assert!(!ok && out.is_empty(), "{arguments:?}: {out}{said}");
        for part in expected {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
        assert!(!said.contains("panicked"), "{said}");
    }
    assert_eq!(entries(folder.path()), 1, "nothing is left behind");
}

#[test]
fn a_cause_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["verify"][..], &["restore", "missing"], &["backup", "copy"], &["charges"]] {
        let (_, _, said) = gittix(folder.path(), arguments);
        assert_eq!(said.matches("(os error").count(), 1, "{said}");
    }
}

#[test]
fn a_failed_start_leaves_no_folder_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (ok, _, said) = gittix(folder.path(), &["--listen", &address]);
    assert!(!ok && said.contains(&address) && said.contains("http.listen"), "{said}");
    assert_eq!(entries(folder.path()), 0);
    // Nor does a key that can't be used leave a store.
    let key = folder.path().join("key");
    std::fs::write(&key, "too short").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(folder.path().join("config.toml"), "auth.secret_file = \"key\"\n").unwrap();
    let (ok, _, said) = gittix(folder.path(), &["--listen", "127.0.0.1:0"]);
    assert!(!ok && said.contains("session key key must hold"), "{said}");
    assert_eq!(entries(folder.path()), 2);
    std::fs::remove_file(folder.path().join("config.toml")).unwrap();
    std::fs::remove_file(&key).unwrap();
    // A folder that can't be made is named, and those on the way to it are gone again.
    std::fs::write(folder.path().join("file"), "").unwrap();
    let (ok, _, said) =
        gittix(folder.path(), &["--listen", "127.0.0.1:0", "--data-dir", "file/data"]);
    assert!(!ok && said.contains("file/data"), "{said}");
    assert_eq!(entries(folder.path()), 1);
}

#[test]
fn help_is_a_command_too() {
    let folder = tempfile::tempdir().unwrap();
    let (ok, said, _) = gittix(folder.path(), &["help"]);
    assert!(ok && said.contains("backup") && said.contains("config"), "{said}");
    let (ok, said, _) = gittix(folder.path(), &["help", "restore"]);
    assert!(ok && said.contains("backup to read"), "{said}");
}

#[test]
fn the_settings_file_can_be_printed_and_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    // Right settings can be looked at even where wrong ones are.
    std::fs::write(folder.path().join("config.toml"), "wrong = 1\n").unwrap();
    let (ok, printed, _) = gittix(folder.path(), &["config"]);
    assert!(ok && printed.contains("# hold_seconds = 900"), "{printed}");
    let settings: toml::Table = printed.parse().unwrap();
    assert!(settings.values().all(|section| section.as_table().is_some()), "no key is set");
    std::fs::write(folder.path().join("config.toml"), printed).unwrap();
    let (_, _, said) = gittix(folder.path(), &["verify"]);
    assert!(said.contains("cannot verify"), "the settings were taken: {said}");
}

#[test]
fn a_host_may_be_named() {
    let place = Place::new();
    let server = place.start_with(&["--listen", "localhost:0"]);
    assert!(server.api.starts_with("127.0.0.1:"), "{}", server.banner);
    server.client().get("/readyz").is(200);
    let (ok, said) = place.run(&["--listen", "no such host:3000"]);
    assert!(!ok && said.contains("http.listen") && said.contains("no such host"), "{said}");
}

#[test]
fn the_start_names_the_storefront_as_people_open_it() {
    let place = Place::new();
    let server = place.start();
    let line = server.banner.lines().find(|line| line.contains("storefront")).unwrap();
    assert!(line.contains(&format!("http://{} ", server.api)), "{line}");
    let place = Place::new().with("GITTIX_HTTP__PUBLIC_URL", "https://tickets.example.com");
    let server = place.start();
    assert!(server.banner.contains("https://tickets.example.com "), "{}", server.banner);
}

#[test]
fn with_a_log_of_json_the_start_is_told_in_json() {
    let place = Place::new().with("GITTIX_LOG__FORMAT", "json");
    let mut child = place.command(&["--demo"]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut fields = lines.map(|line| line["fields"].clone());
    let ready = fields.find(|fields| fields["message"] == "gittix is ready").unwrap();
    assert_eq!(ready["storefront"], format!("http://{}", ready["api"].as_str().unwrap()));
    assert_eq!(ready["holdSeconds"], 900);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_missing_session_key_is_told_loudly_once_the_store_is_in_use() {
    let place = Place::new();
    let server = place.start();
    assert!(!server.banner.contains("sessions"), "a new store has a new key");
    let ana = server.client().person("ana");
    server.kill();
    std::fs::remove_file(place.folder.path().join("session.key")).unwrap();
    let server = place.start();
    assert!(server.banner.contains("session.key was missing"), "{}", server.banner);
    assert!(server.log().contains("everyone is signed out"), "{}", server.log());
    ana.at(&server).get("/api/orders").is(401);
}

#[test]
fn the_demo_lets_a_buyer_try_three_cards_unless_told_otherwise() {
    let declined = |place: Place| {
        let server = place.start_with(&["--demo"]);
        let (ana, ben) = (server.client().person("zoe"), server.client().person("yan"));
        let order = id(&ben.locks(&ana.lists("Rock")));
        let body = serde_json::json!({"orderId": order, "token": "pm_card_chargeDeclined"});
        ben.post("/api/payments", &body).is(402);
        ben.get(&format!("/api/orders/{order}")).json()["status"].clone()
    };
    assert_ne!(declined(Place::new()), "Cancelled");
    assert_eq!(declined(Place::new().with("GITTIX_PAYMENTS__MAX_ATTEMPTS", 1)), "Cancelled");
}
