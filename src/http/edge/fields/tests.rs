//! What fields take, and what is said of what they don't.

use axum::body::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::json::JsonObject;
use super::*;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Show {
    #[serde(default)]
    name: Field<String>,
    #[serde(default)]
    is_open: Field<bool>,
    #[serde(default)]
    performers: Field<Vec<String>>,
    #[serde(default)]
    venue: Field<Nested<Venue>>,
    #[serde(default)]
    row: Field<Option<String>>,
    #[serde(default)]
    price: Field<Numeral>,
}

#[derive(Debug, Deserialize)]
struct Venue {
    #[serde(default)]
    city: Field<String>,
}

fn show(body: &str) -> Show {
    let object = JsonObject::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    object.read().unwrap()
}

fn told(faults: Faults) -> Value {
    serde_json::to_value(faults.into_problem().into_document().errors).unwrap()
}

#[test]
fn lists_objects_booleans_and_escaped_text_are_read() {
    let show = show(
        r#"{"n\u0061me":"caf\u00e9","isOpen":false,"performers":["a","\u0062"],
            "venue":{"city":"Graz","unknown":[1]},"row":null,"extra":{"x":true}}"#,
    );
    assert_eq!(show.name.required(), Ok("café".to_owned()));
    assert_eq!(show.is_open.required(), Ok(false));
    assert_eq!(show.performers.required(), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(show.venue.required().unwrap().0.city.required(), Ok("Graz".to_owned()));
    assert_eq!(show.row.optional(), Ok(Some(None)));
}

#[test]
fn every_fault_is_told_with_its_place() {
    let show = show(r#"{"isOpen":"yes","performers":["a",5,null],"venue":{}}"#);
    let mut faults = Faults::default();
    assert_eq!(faults.note("name", show.name.required()), None);
    assert_eq!(faults.note("isOpen", show.is_open.required()), None);
    assert_eq!(faults.note("performers", show.performers.required()), None);
    let venue = faults.note("venue", show.venue.required()).unwrap();
    assert_eq!(faults.note("venue.city", venue.0.city.required()), None);
    let expected = json!([
        { "field": "name", "message": "name must be given" },
        { "field": "isOpen", "message": "isOpen must be true or false" },
        { "field": "performers[1]", "message": "performers[1] must be given" },
        { "field": "performers[2]", "message": "performers[2] must be given" },
        { "field": "venue.city", "message": "venue.city must be given" },
    ]);
    assert_eq!(told(faults), expected);
}

#[test]
fn what_is_no_list_or_object_is_told_as_such() {
    let show = show(r#"{"performers":{"0":"a"},"venue":["Graz"],"row":5}"#);
    let mut faults = Faults::default();
    faults.note("performers", show.performers.required());
    faults.note("venue", show.venue.required());
    faults.note("row", show.row.required());
    let messages: Vec<Value> =
        told(faults).as_array().unwrap().iter().map(|fault| fault["message"].clone()).collect();
    assert_eq!(
        messages,
        ["performers must be a list", "venue must be an object", "row must be given"]
    );
}

#[test]
fn a_field_that_is_missing_differs_from_one_that_is_null() {
    assert_eq!(show("{}").name.optional(), Ok(None));
    assert_eq!(show(r#"{"name":null}"#).name.optional(), Err(Refused::named("must be given")));
    assert_eq!(show("{}").row.optional(), Ok(None));
    assert_eq!(show("{}").row.required(), Ok(None));
    assert_eq!(show(r#"{"row":null}"#).row.optional(), Ok(Some(None)));
}

#[test]
fn a_number_keeps_the_text_it_was_written_in() {
    for literal in ["0", "-0", "1.10", "1e400", "-1E-9", "18446744073709551616", "0.1000000001"] {
        for written in [literal.to_owned(), format!("\"{literal}\"")] {
            let read = show(&format!(r#"{{"price":{written}}}"#)).price.required();
            assert_eq!(read, Ok(Numeral::Literal(literal.to_owned())));
        }
    }
    assert_eq!(show("{}").price.required(), Ok(Numeral::Absent));
    assert_eq!(show(r#"{"price":null}"#).price.required(), Ok(Numeral::Absent));
    assert_eq!(show(r#"{"price":[5]}"#).price.required(), Ok(Numeral::Other));
}

proptest! {
    #[test]
    fn text_is_read_as_it_was_written(text: String) {
        let read = show(&json!({ "name": text }).to_string()).name.required();
        prop_assert_eq!(read, Ok(text));
    }
}
