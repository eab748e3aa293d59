//! `/errors`: what each error code means.

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::edge::codes::Code;
use super::edge::problem::Problem;

/// The explanation of one code.
#[derive(Debug, Serialize)]
struct Explanation {
    r#type: String,
    code: &'static str,
    status: u16,
    title: &'static str,
    meaning: &'static str,
}

impl From<Code> for Explanation {
    fn from(code: Code) -> Self {
        Self {
            r#type: code.type_reference(),
            code: code.name(),
            status: code.status().as_u16(),
            title: code.title(),
            meaning: code.meaning(),
        }
    }
}

/// `GET /errors` and `GET /errors/{slug}`: what the `type` of a problem leads to.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/errors", get(list)).route("/errors/{slug}", get(explain))
}

async fn list() -> Response {
    let all: Vec<Explanation> = Code::ALL.iter().copied().map(Explanation::from).collect();
    json(&all)
}

async fn explain(Path(slug): Path<String>) -> Response {
    match Code::ALL.iter().copied().find(|code| code.slug() == slug) {
        Some(code) => json(&Explanation::from(code)),
        None => Problem::not_found().into_response(),
    }
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, "application/json"),
                (header::CACHE_CONTROL, "public, max-age=3600"),
            ];
            (headers, body).into_response()
        }
        Err(_) => Problem::internal().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get_page(path: &str) -> (StatusCode, serde_json::Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = routes().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn the_type_of_every_code_leads_to_its_explanation() {
        for code in Code::ALL {
            let (status, page) = get_page(&code.type_reference()).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(page["code"], code.name());
            assert_eq!(page["status"], code.status().as_u16());
            assert_eq!(page["meaning"], code.meaning());
        }
        let (_, all) = get_page("/errors").await;
        assert_eq!(all.as_array().unwrap().len(), Code::ALL.len());
    }

    #[tokio::test]
    async fn an_unknown_slug_is_not_found() {
        let (status, page) = get_page("/errors/no-such-thing").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(page["code"], "not_found");
    }
}
