//! What lies beside the data: passes, their keys, and what becomes of both in a backup.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Client, Place, id};

const SECRET: &str = "SECRET-CODE-4711";

fn adds(seller: &Client, ticket: &str, code: &str) -> String {
    let body = json!({"code": code, "format": "qr"});
    id(&seller.post(&format!("/api/tickets/{ticket}/passes"), &body).is(201).json())
}

fn opens(who: &Client, pass: &str) -> Value {
    let told = "accept: application/json\r\n";
    let path = format!("/api/passes/{pass}");
    who.try_send_with("GET", &path, "", told).expect("an answer").is(200).json()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_backup_carries_passes_and_verification_opens_each() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    let pass = adds(&ana, &ana.lists("Rock"), SECRET);
    let (ok, said) = place.run(&["backup", "copy.redb"]);
    assert!(ok, "{said}");
    let (ok, said) = place.run(&["verify", "copy.redb"]);
    assert!(ok && said.contains("passes: 1, of which 0"), "{said}");
    server.kill();
    let (ok, said) = place.run(&["verify"]);
    assert!(ok && said.contains("passes: 1, of which 0"), "{said}");
    let has = |bytes: Vec<u8>| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    let all = files(place.folder.path());
    assert!(all.iter().any(|file| file.ends_with("pass.key")), "{all:?}");
    for file in all {
        assert!(!has(fs::read(&file).unwrap()), "{}", file.display());
    }

    let other = Place::with_admin();
    let copy = place.folder.path().join("copy.redb");
    let (ok, said) = other.run(&["restore", copy.to_str().unwrap()]);
    assert!(ok, "{said}");
    let (ok, said) = other.run(&["verify"]);
    assert!(!ok && said.contains("there are no pass keys"), "{said}");
    for key in ["pass.key", "session.key"] {
        fs::copy(place.folder.path().join(key), other.folder.path().join(key)).unwrap();
    }
    let (ok, said) = other.run(&["verify"]);
    assert!(ok, "{said}");
    let server = other.start();
    assert_eq!(opens(&ana.at(&server), &pass)["code"], SECRET);
    server.kill();

    let mut contents = files(other.folder.path());
    contents.retain(|file| file.components().any(|part| part.as_os_str() == "passes"));
    let [content] = contents.try_into().unwrap();
    let mut bytes = fs::read(&content).unwrap();
    bytes[30] ^= 1;
    fs::write(&content, bytes).unwrap();
    let (ok, said) = other.run(&["verify"]);
    assert!(!ok && said.contains(&format!("WRONG: passes {pass}")), "{said}");
    fs::remove_file(&content).unwrap();
    let (ok, said) = other.run(&["verify"]);
    assert!(!ok && said.contains("what it holds is missing"), "{said}");
}

#[test]
fn the_key_of_passes_is_rolled_while_the_server_runs() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    let first = adds(&ana, &ana.lists("Rock"), "first");
    let key = place.folder.path().join("pass.key");
    let before = fs::read_to_string(&key).unwrap();
    let (ok, said) = place.run(&["rotate-key", "--passes"]);
    assert!(ok && said.contains("seals with it"), "{said}");
    let after = fs::read_to_string(&key).unwrap();
    assert_eq!(after.lines().count(), before.lines().count() + 1);
    let second = adds(&ana, &ana.lists("Jazz"), "second");
    assert_eq!(opens(&ana, &first)["code"], "first");
    assert_eq!(opens(&ana, &second)["code"], "second");
    server.kill();
    let (ok, said) = place.run(&["verify"]);
    assert!(ok && said.contains("passes: 2, of which 0"), "{said}");
    let server = place.start();
    assert_eq!(opens(&ana.at(&server), &first)["code"], "first");
}
