//! Saying who looks after the market, by the command line.

use serde_json::{Value, json};

use crate::support::{Client, Place};

fn roles(person: &Client) -> Value {
    person.get("/api/users/currentuser").json()["currentUser"]["roles"].clone()
}

#[test]
fn an_operator_is_made_and_unmade_while_the_server_runs() {
    let place = Place::with_admin();
    let server = place.start();
    let ana = server.client().person("ana");
    assert_eq!(roles(&ana), json!([]));
    let (ok, said) = place.run(&["operator", "list"]);
    assert!(ok && said.contains("there are no operators"), "{said}");
    for news in ["is an operator's now", "is an operator's already"] {
        let (ok, said) = place.run(&["operator", "grant", "ANA@example.com"]);
        assert!(ok && said.contains(news), "{said}");
        assert_eq!(roles(&ana), json!(["operator"]), "at once, in the same session");
    }
    let (ok, said) = place.run(&["operator", "list"]);
    assert!(ok && said.contains("ana@example.com") && said.contains("user_"), "{said}");
    for news in ["is no operator's any more", "is no operator's"] {
        let (ok, said) = place.run(&["operator", "revoke", "ana@example.com"]);
        assert!(ok && said.contains(news), "{said}");
        assert_eq!(roles(&ana), json!([]));
    }
    let (ok, said) = place.run(&["operator", "grant", "nobody@example.com"]);
    assert!(!ok && said.contains("no account"), "{said}");
}

#[test]
fn an_operator_is_made_in_the_file_when_no_server_runs() {
    let place = Place::with_admin();
    let (ok, said) = place.run(&["operator", "grant", "ana@example.com"]);
    assert!(!ok && said.contains("there is no data file"), "{said}");
    assert!(!place.data().exists(), "and none is made");
    let server = place.start();
    let ana = server.client().person("ana");
    server.kill();
    for (address, news) in [
        ("ana@example.com", "is an operator's now"),
        ("ben@example.com", "no account"),
        ("ana", "no address"),
    ] {
        let (_, said) = place.run(&["operator", "grant", address]);
        assert!(said.contains(news), "{address}: {said}");
    }
    let (ok, said) = place.run(&["operator", "list"]);
    assert!(ok && said.contains("ana@example.com"), "{said}");
    let (ok, said) = place.run(&["verify"]);
    assert!(ok, "{said}");
    let server = place.start();
    assert_eq!(roles(&ana.at(&server)), json!(["operator"]));
}
