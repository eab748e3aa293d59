//! What the reader of bodies takes and what it refuses.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use proptest::prelude::*;
use tower::ServiceExt;

use super::*;

fn parse(body: &[u8]) -> Result<JsonObject, Problem> {
    JsonObject::parse(Bytes::copy_from_slice(body))
}

fn members(object: &JsonObject) -> BTreeMap<String, &RawValue> {
    object.read().unwrap()
}

fn refusal(body: &[u8]) -> String {
    let problem = parse(body).expect_err("this body must be refused");
    assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
    assert_eq!(problem.code(), Code::InvalidJson);
    problem.into_document().detail.into_owned()
}

#[test]
fn what_is_not_json_is_refused_with_the_place() {
    for (body, place) in [
        (&b"{"[..], "line 1 column 1"),
        (b"{\"a\":1", "line 1 column 6"),
        (b"{\"a\":1,}", "line 1 column 8"),
        (b"{\"a\":1} x", "line 1 column 9"),
        (b"{\"a\":1}{}", "line 1 column 8"),
        (b"{\"a\":\nNaN}", "line 2 column 1"),
        (b"{\"a\":01}", "line 1 column 7"),
        (b"{'a':1}", "line 1 column 2"),
        (b"{\"a\":\"\x00\"}", "line 1 column 6"),
        (b"{\0\"\0a\0\"\0", "line 1 column 2"),
        (b"{\"a\":\"\xff\"}", "byte 6"),
        (b"\xff\xfe{\0}\0", "byte 0"),
        (b"   ", "line 1 column 3"),
        (b"hello", "line 1 column 1"),
    ] {
        let detail = refusal(body);
        assert!(detail.contains(place), "{:?}: {detail}", String::from_utf8_lossy(body));
    }
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"\xef\xbb\xbf{}").contains("byte order mark"));
}

#[test]
fn only_an_object_is_a_body() {
    for body in ["null", "[]", "[\"a\",5]", "\"text\"", "5", "true"] {
        assert!(refusal(body.as_bytes()).contains("expected an object"), "{body}");
    }
}

#[test]
fn a_duplicate_key_is_refused_at_every_level() {
    for body in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"\u0061":3}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"{"x":[[{"y":{"a":null,"a":null}}]]}"#,
    ] {
        assert!(refusal(body.as_bytes()).contains(r#"duplicate key "a""#), "{body}");
    }
}

#[test]
fn a_lone_surrogate_is_refused_also_where_nobody_looks() {
    for body in [
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00x"}"#,
        r#"{"a":["\ud800\u0041"]}"#,
        r#"{"a":{"\udfff":1}}"#,
        r#"{"\ud83d":1}"#,
    ] {
        refusal(body.as_bytes());
    }
    let object = parse(br#"{"a":"\ud83d\ude00"}"#).unwrap();
    assert_eq!(members(&object)["a"].get(), r#""\ud83d\ude00""#);
}

#[test]
fn deep_nesting_is_refused_without_deep_recursion() {
    const DEPTH: usize = 100_000;
    let lists = format!(r#"{{"a":{}{}}}"#, "[".repeat(DEPTH), "]".repeat(DEPTH));
    assert!(refusal(lists.as_bytes()).contains("recursion limit"));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    assert!(refusal(objects.as_bytes()).contains("recursion limit"));
    refusal("[".repeat(DEPTH).as_bytes());
    refusal(r#"{"a":"#.repeat(DEPTH).as_bytes());
}

#[test]
fn a_long_or_unprintable_key_is_shown_cut_and_escaped() {
    let key = "k".repeat(5000);
    let detail = refusal(format!(r#"{{"{key}":1,"{key}":2}}"#).as_bytes());
    assert!(detail.len() < 200, "{detail}");
    assert!(refusal(r#"{"\u202e":1,"\u202e":2}"#.as_bytes()).contains(r"\u{202e}"));
}

/// JSON texts that are often sound and sometimes broken in one place.
fn json_texts() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?[0-9]{1,3}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        "\"[a-c]{0,2}\"",
        Just(r#""\ud83d\ude00""#.to_owned()),
        Just(r#""\ud83d""#.to_owned()),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|l| format!("[{}]", l.join(","))),
            prop::collection::vec(("[a-d]{1,2}", inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("{key:?} : {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    (value, any::<prop::sample::Index>(), prop::option::weighted(0.3, any::<u8>())).prop_map(
        |(text, index, broken)| {
            let mut bytes = text.into_bytes();
            if let Some(byte) = broken {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    )
}

/// Says why the two readers may differ on a body, or that they may not.
fn check_agreement(body: &[u8]) -> Result<(), TestCaseError> {
    let reference = serde_json::from_slice::<serde_json::Value>(body);
    match (parse(body), reference) {
        (Ok(object), Ok(reference)) => {
            let reference = reference.as_object().expect("only objects are accepted").clone();
            let members = members(&object);
            prop_assert_eq!(members.len(), reference.len());
            for (name, raw) in &members {
                let value: serde_json::Value = serde_json::from_str(raw.get()).unwrap();
                prop_assert_eq!(reference.get(name), Some(&value));
            }
        }
        (Ok(_), Err(error)) => {
            // A number too large for a float is a number all the same.
            prop_assert!(error.to_string().contains("number out of range"), "{}", error);
        }
        (Err(problem), Ok(reference)) => {
            let detail = problem.into_document().detail.into_owned();
            prop_assert!(!reference.is_object() || detail.contains("duplicate key"), "{}", detail);
        }
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_reader_agrees_with_serde_json_on_arbitrary_bytes(body: Vec<u8>) {
        check_agreement(&body)?;
    }

    #[test]
    fn the_reader_agrees_with_serde_json_on_near_json(body in json_texts()) {
        check_agreement(&body)?;
        let wrapped = [b"{\"k\":".as_slice(), &body, b"}"].concat();
        check_agreement(&wrapped)?;
    }
}

async fn answer(headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let app = Router::new()
        .route("/", post(|StrictJson(_): StrictJson| async { StatusCode::NO_CONTENT }))
        .layer(DefaultBodyLimit::max(100));
    let mut request = Request::post("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.oneshot(request.body(body.into()).unwrap()).await.into_response()
}

#[tokio::test]
async fn json_content_types_are_taken() {
    for value in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/merge-patch+json",
    ] {
        let response = answer(&[("content-type", value)], "{}").await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{value}");
    }
}

#[tokio::test]
async fn other_content_types_and_encodings_are_415() {
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "application/+json")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/json"), ("content-type", "application/json")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
    ] {
        let response = answer(headers, "{}").await;
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{headers:?}");
    }
}

#[tokio::test]
async fn no_body_at_all_is_400() {
    let response = answer(&[], Body::empty()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let response = answer(&[("content-type", "application/json")], Body::empty()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(100));
    let response = answer(&[("content-type", "application/json")], body).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let parts = [Ok("{\"a\":"), Err(std::io::Error::other("gone"))];
    let body = Body::from_stream(futures_util::stream::iter(parts));
    let response = answer(&[("content-type", "application/json")], body).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn a_long_key_is_cut_short_and_told_to_be() {
    let (long, short) = ("k".repeat(41), "k".repeat(40));
    let twice = |key: &str| refusal(format!("{{\"{key}\":1,\"{key}\":2}}").as_bytes());
    assert!(twice(&long).contains(&format!("{short:?}…")), "{}", twice(&long));
    assert!(twice(&short).contains(&format!("{short:?}")) && !twice(&short).contains('…'));
}
