//! Shows from a file, by the command line.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::support::Place;

const HEADER: &str = "externalId,name,category,performers,startsAt,endsAt,venueExternalId,venueName,city,region,country,timeZone,address,sections";

fn import(place: &Place, name: &str, text: &[u8], more: &[&str]) -> (bool, String) {
    let file = place.folder.path().join(name);
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    place.run(&[&["import", "shows", file], more].concat())
}

fn row(id: &str, name: &str) -> String {
    format!(
        "{id},{name},concert,Ana; Ben,2030-06-01T20:00:00+02:00,,v1,Arena,Berlin,,DE,Europe/Berlin,Weg 1,A;B"
    )
}

#[test]
fn a_file_is_imported_by_a_running_server_and_again_without_any_change() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    let text = format!("{HEADER}\n{}\n{}\n", row("e1", "Rigoletto"), row("e2", "Norma"));
    let (ok, said) = import(&place, "shows.csv", text.as_bytes(), &[]);
    assert!(!ok && said.contains("gittix operator grant"), "{said}");
    assert!(place.run(&["operator", "grant", "ana@example.com"]).0);
    let (ok, said) = import(&place, "shows.csv", text.as_bytes(), &[]);
    assert!(ok && said.contains("shows: 2 added, 0 changed, 0 unchanged, 0 refused"), "{said}");

    let shows = ana.get("/api/shows?q=rigoletto").json();
    let show = &shows[0];
    assert_eq!((&show["externalId"], &show["name"]), (&json!("e1"), &json!("Rigoletto")));
    assert_eq!(show["performers"], json!(["Ana", "Ben"]));
    assert_eq!(show["startsAt"], "2030-06-01T18:00:00.000Z");
    assert_eq!(show["venue"]["sections"], json!(["A", "B"]));
    assert_eq!(ana.get("/api/venues").json().as_array().unwrap().len(), 1, "of both shows");

    let (ok, said) = import(&place, "shows.csv", text.as_bytes(), &["--as", "ana@example.com"]);
    assert!(ok && said.contains("0 added, 0 changed, 2 unchanged, 0 refused"), "{said}");
    assert_eq!(ana.get("/api/shows?q=rigoletto").json(), shows);

    let other = text.replace("Rigoletto", "Aida");
    let (ok, said) = import(&place, "shows.csv", other.as_bytes(), &[]);
    assert!(ok && said.contains("0 added, 1 changed, 1 unchanged, 0 refused"), "{said}");
    let now = ana.get("/api/shows?q=aida").json();
    assert_eq!((&now[0]["id"], &now[0]["version"]), (&show["id"], &json!(1)));
    for stranger in ["ben@example.com", "nonsense"] {
        let (ok, _) = import(&place, "shows.csv", other.as_bytes(), &["--as", stranger]);
        assert!(!ok);
    }
}

#[test]
fn a_file_is_imported_into_the_data_file_when_no_server_runs() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    assert!(place.run(&["operator", "grant", "ana@example.com"]).0);
    server.kill();
    let mut text = String::new();
    for number in 0..2000 {
        let line = json!({
            "externalId": format!("e{number}"), "name": format!("Night {number}"), "category": "comedy",
            "startsAt": "2030-06-01T20:00:00Z",
            "venue": {"name": format!("Club {}", number % 7), "city": "Leeds", "country": "GB"},
        });
        writeln!(text, "{line}").unwrap();
    }
    let zone = ["--time-zone", "Europe/London"];
    let (ok, said) = import(&place, "shows.jsonl", text.as_bytes(), &zone);
    assert!(ok && said.contains("2000 added"), "{said}");
    let (ok, said) = import(&place, "shows.jsonl", text.as_bytes(), &zone);
    assert!(ok && said.contains("2000 unchanged"), "{said}");
    let (ok, said) = place.run(&["verify"]);
    assert!(ok, "{said}");
    let server = place.start();
    let found = ana.at(&server).get("/api/shows?q=night&limit=1").json();
    assert_eq!(found[0]["venue"]["timeZone"], "Europe/London");
    assert_eq!(ana.at(&server).get("/api/venues").json().as_array().unwrap().len(), 7);
}

#[test]
fn what_a_line_gets_wrong_is_told_with_its_number_and_keeps_no_other_out() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    assert!(place.run(&["operator", "grant", "ana@example.com"]).0);
    let good = row("e1", "Rigoletto");
    let wrong = [
        (good.clone(), "line 3: externalId is that of line 2, too"),
        (row("e3", "X").replace("+02:00", ""), "line 4: startsAt must be a time with its offset"),
        (
            row("e4", "X").replace("Europe/Berlin", "Mars/Base"),
            "line 5: the venue is described otherwise",
        ),
        (
            row("e5", "X").replace("v1,", "v5,").replace("Europe/Berlin", "Mars/Base"),
            "line 6: venue.timeZone must be a time zone's IANA name",
        ),
        (
            row("e6", "X").replace("v1,", "v6,").replace("DE", "XX"),
            "line 7: venue.country must be a country's",
        ),
        (row("e7", &"n".repeat(10_000)), "line 8: name must be at most 200 characters"),
        (row("e8", "X").replace("2030", "2020"), "line 9: startsAt must be in the future"),
        (",,,,,,,,,,,,,".to_owned(), "line 10: venue.name is required"),
        (row("e10", "X").replace("concert", "circus"), "line 11: category must be concert"),
        (row("e11", "a\u{202e}b"), "line 12: name must not contain control"),
    ];
    let rows: Vec<&str> = wrong.iter().map(|(row, _)| row.as_str()).collect();
    let text = format!("{HEADER}\n{good}\n{}\n{}\n", rows.join("\n"), row("=1+1", "=2+2"));
    let (ok, said) = import(&place, "shows.csv", text.as_bytes(), &[]);
    assert!(!ok, "{said}");
    for (_, told) in &wrong {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(said.contains("shows: 2 added, 0 changed, 0 unchanged, 10 refused"), "{said}");
    let names: Vec<Value> = ana.get("/api/shows").json().as_array().unwrap().clone();
    assert!(names.iter().any(|show| show["name"] == "=2+2" && show["externalId"] == "=1+1"));
    let (ok, said) = import(&place, "no-header.csv", good.as_bytes(), &[]);
    assert!(!ok && said.contains("has no column externalId"), "{said}");
    let (ok, said) = place.run(&["import", "shows", "nowhere.csv"]);
    assert!(!ok && said.contains("cannot read nowhere.csv"), "{said}");
}

#[test]
fn what_was_corrected_by_hand_stays_when_the_same_file_comes_again() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    assert!(place.run(&["operator", "grant", "ana@example.com"]).0);
    let text = format!("{HEADER}\n{}\n", row("e1", "Rigoleto"));
    assert!(import(&place, "shows.csv", text.as_bytes(), &[]).0);
    let show = ana.get("/api/shows").json()[0].clone();
    let path = format!("/api/shows/{}", show["id"].as_str().unwrap());
    assert_eq!(ana.send("PATCH", &path, r#"{"name":"Rigoletto"}"#).status, 200);
    let (ok, said) = import(&place, "shows.csv", text.as_bytes(), &[]);
    assert!(ok && said.contains("1 unchanged"), "{said}");
    assert_eq!(ana.get(&path).json()["name"], "Rigoletto");
    // A line that says something else is news, and the show's own actor knows of it at once.
    let later = text.replace("T20:00", "T21:00");
    let (ok, said) = import(&place, "shows.csv", later.as_bytes(), &[]);
    assert!(ok && said.contains("1 changed"), "{said}");
    assert_eq!(ana.get(&path).json()["startsAt"], "2030-06-01T19:00:00.000Z");
    assert_eq!(ana.send("PATCH", &path, r#"{"name":"Aida"}"#).status, 200);
    assert_eq!(ana.get(&path).json()["startsAt"], "2030-06-01T19:00:00.000Z");
}
