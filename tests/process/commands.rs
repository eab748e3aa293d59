//! Looking after the data: verify, backup, restore.

use crate::support::{Place, id};

#[test]
fn a_sound_store_is_verified() {
    let place = Place::new();
    let server = place.start();
    let (ana, ben) = (server.client().person("ana"), server.client().person("ben"));
    ben.locks(&ana.lists("Rock"));
    let (ok, said) = place.run(&["verify"]);
    assert!(!ok && said.contains("in use"), "a server has it open: {said}");
    server.kill();
    let (ok, said) = place.run(&["verify"]);
    assert!(ok, "{said}");
}

#[test]
fn a_rotated_key_signs_nobody_out_unless_it_should() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    let (ok, said) = place.run(&["rotate-key"]);
    assert!(ok && said.contains("signs with it"), "{said}");
    let ben = server.client().person("ben");
    for person in [&ana, &ben] {
        person.get("/api/orders").is(200);
    }
    // A second time, and nothing is left of the first key. That the server is down is no hindrance.
    server.kill();
    let (ok, said) = place.run(&["rotate-key"]);
    assert!(ok && said.contains("no server runs"), "{said}");
    let server = place.start();
    ana.at(&server).get("/api/orders").is(401);
    ben.at(&server).get("/api/orders").is(200);
    let (ok, said) = place.run(&["rotate-key", "--end-sessions"]);
    assert!(ok && said.contains("every session has ended"), "{said}");
    ben.at(&server).get("/api/orders").is(401);
}

#[test]
fn what_is_not_a_store_is_refused() {
    let place = Place::new();
    let (ok, said) = place.run(&["verify"]);
    assert!(!ok && !said.contains("panicked"), "there is none: {said}");
    std::fs::write(place.data(), "this is no store").unwrap();
    for arguments in [&["verify"][..], &["serve"], &["backup", "copy.redb"]] {
        let (ok, said) = place.run(arguments);
        assert!(!ok && said.contains("gittix.redb"), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    assert_eq!(std::fs::read(place.data()).unwrap(), b"this is no store", "left as it is");
}

#[test]
fn a_backup_of_a_running_server_restores_to_what_it_was() {
    let place = Place::with_admin();
    let server = place.start();
    let (ana, ben) = (server.client().person("ana"), server.client().person("ben"));
    let ticket = ana.lists("Rock");
    let order = ben.locks(&ticket);
    let copy = place.folder.path().join("copy.redb");
    let (ok, said) = place.run(&["backup", "copy.redb"]);
    assert!(ok && said.contains("copy.redb"), "{said}");
    let later = ana.lists("Later");
    let (ok, said) = place.run(&["backup", "copy.redb"]);
    assert!(!ok && said.contains("exists"), "never over another file: {said}");
    let (ok, said) = place.run(&["restore", "copy.redb"]);
    assert!(!ok && said.contains("gittix.redb"), "never over a store: {said}");
    server.kill();

    std::fs::rename(place.data(), place.folder.path().join("old.redb")).unwrap();
    let (ok, said) = place.run(&["restore", copy.to_str().unwrap()]);
    assert!(ok, "{said}");
    let (ok, said) = place.run(&["verify"]);
    assert!(ok, "{said}");
    let server = place.start();
    let shown = ben.at(&server).get(&format!("/api/orders/{}", id(&order))).is(200);
    assert_eq!(shown.json(), order);
    assert_eq!(server.client().status_of(&ticket), "Locked");
    server.client().get(&format!("/api/tickets/{later}")).is(404);
}

#[test]
fn a_backup_is_verified_where_it_lies_while_the_server_runs() {
    let place = Place::with_admin();
    let server = place.start();
    server.client().person("ana").lists("Find me in the file");
    let copy = place.folder.path().join("copy.redb");
    let (ok, said) = place.run(&["backup", "copy.redb"]);
    assert!(ok, "{said}");
    let mut bytes = std::fs::read(&copy).unwrap();
    let (ok, said) = place.run(&["verify", "copy.redb"]);
    assert!(ok, "{said}");
    assert_eq!(std::fs::read(&copy).unwrap(), bytes, "it was only looked at");

    let title = b"Find me in the file";
    let places: Vec<usize> =
        (0..bytes.len() - title.len()).filter(|at| bytes[*at..].starts_with(title)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&copy, &bytes).unwrap();
    let (ok, said) = place.run(&["verify", "copy.redb"]);
    assert!(!ok, "a damaged row is told: {said}");
    assert_eq!(std::fs::read(&copy).unwrap(), bytes, "and left as it is");
}

#[test]
fn a_backup_needs_no_server() {
    let place = Place::new();
    let server = place.start();
    let ticket = server.client().person("ana").lists("Rock");
    server.kill();
    let (ok, said) = place.run(&["backup", "copy.redb"]);
    assert!(ok, "{said}");
    let other = Place::new();
    let copy = place.folder.path().join("copy.redb");
    let (ok, said) = other.run(&["restore", copy.to_str().unwrap()]);
    assert!(ok, "{said}");
    let server = other.start();
    assert_eq!(server.client().status_of(&ticket), "Available");
    let (ok, said) = other.run(&["restore", "missing.redb"]);
    assert!(!ok && !said.contains("panicked"), "{said}");
}

#[test]
fn a_backup_without_room_fails_and_leaves_nothing_behind() {
    let place = Place::new();
    let server = place.start();
    let ticket = server.client().person("ana").lists("Rock");
    server.kill();
    let names = || {
        let entries = std::fs::read_dir(place.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    // No file may become larger than half a megabyte, which a write then fails of.
    let (ok, said) = place.run_limited("trap '' XFSZ && ulimit -f 1000", &["backup", "copy.redb"]);
    assert!(!ok && said.contains("copy.redb") && !said.contains("panicked"), "{said}");
    assert_eq!(names(), before, "{said}");
    let (ok, said) = place.run(&["backup", "copy.redb"]);
    assert!(ok, "{said}");
    assert_eq!(place.start().client().status_of(&ticket), "Available");
}

/// Flips a bit wherever a text stands in a file.
fn flip(path: &std::path::Path, text: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - text.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_row_is_nobodys_answer_and_the_others_go_on() {
    let place = Place::new();
    let mut server = place.start();
    let ana = server.client().person("ana");
    let (damaged, sound) = (ana.lists("Damaged Goods"), ana.lists("Sound Goods"));
    ana.lists("What the log ends with");
    server.signal("TERM");
    server.wait(std::time::Duration::from_secs(20));
    flip(&place.data(), b"Damaged Goods");
    let mut server = place.start();
    let (ana, path) = (ana.at(&server), format!("/api/tickets/{damaged}"));
    let edit = serde_json::json!({"title": "Another title", "price": 7}).to_string();
    for answer in [
        ana.get(&path),
        ana.send("PUT", &path, &edit),
        ana.send("DELETE", &path, ""),
        server.client().person("ben").tries_to_lock(&damaged).unwrap(),
    ] {
        assert!(answer.status >= 500, "{answer:?}");
        assert!(!answer.body.contains("Goods") && answer.body.contains("code"), "{answer:?}");
    }
    ana.send("PUT", &format!("/api/tickets/{sound}"), &edit).is(200);
    let listed = ana.lists("Listed since");
    assert_eq!(server.client().status_of(&listed), "Available");
    server.client().get("/readyz").is(200);
    server.signal("TERM");
    server.wait(std::time::Duration::from_secs(20));
    let (ok, said) = place.run(&["verify"]);
    assert!(!ok && said.contains("tickets"), "{said}");
    let (ok, said) = place.run(&["backup", "copy.redb"]);
    assert!(!ok && said.contains("tickets"), "{said}");
    assert!(!place.folder.path().join("copy.redb").exists());
    // Nothing was made worse: with the bits as they were, the ticket is there.
    flip(&place.data(), b"Eamaged Goods");
    let shown = place.start().client().get(&path).is(200).json();
    assert_eq!((&shown["title"], &shown["version"]), (&"Damaged Goods".into(), &0.into()));
}
