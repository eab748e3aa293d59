//! The documentation page of the API, and the description that it shows.
//!
//! Their files are large, and to compress the page's script takes as long as to answer hundreds of
//! other requests. None of them changes while the process lives, so each is rendered and compressed
//! once for all who ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::Response;
use utoipa_swagger_ui::SwaggerUi;

use super::pages::Asset;

/// The largest file that is kept; none is near it.
const MAX_BYTES: usize = 8 << 20;

/// The page at `/api/docs`, and the description at `/api/openapi.json`.
pub fn routes(description: utoipa::openapi::OpenApi) -> Router {
    let docs = SwaggerUi::new("/api/docs").url("/api/openapi.json", description);
    kept(Router::from(docs)).layer(map_response(allow_docs))
}

/// The same routes, whose files are made once.
fn kept(files: Router) -> Router {
    files.layer(from_fn_with_state(Arc::<Files>::default(), answer_with_kept))
}

/// The files that have been asked for, by their paths.
type Files = Mutex<HashMap<String, Arc<File>>>;

struct File {
    asset: Asset,
    media_type: HeaderValue,
}

async fn answer_with_kept(
    State(files): State<Arc<Files>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    // A file has many spellings with escapes, and is not to be kept under each.
    if request.method() != Method::GET || path.contains('%') {
        return next.run(request).await;
    }
    let headers = request.headers().clone();
    let known = files.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
    let file = match known {
        Some(file) => file,
        None => match made(next.run(request).await).await {
            Ok(file) => {
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                files.entry(path).or_insert_with(|| Arc::new(file)).clone()
            }
            Err(other) => return other,
        },
    };
    file.asset.answer_briefly_cached(&headers, file.media_type.clone()).await
}

/// The file that an answer consists of, or the answer if it is of another kind.
async fn made(response: Response) -> Result<File, Response> {
    let media_type = response.headers().get(header::CONTENT_TYPE).cloned();
    let (StatusCode::OK, Some(media_type)) = (response.status(), media_type) else {
        return Err(response);
    };
    let (parts, body) = response.into_parts();
    match to_bytes(body, MAX_BYTES).await {
        Ok(bytes) => Ok(File { asset: Asset::made_once(bytes), media_type }),
        Err(error) => {
            tracing::error!(%error, "a file of the documentation page could not be made");
            Err(Response::from_parts(parts, axum::body::Body::empty()))
        }
    }
}

/// The documentation page brings its own scripts, and styles its elements in place.
async fn allow_docs(mut response: Response) -> Response {
    const POLICY: HeaderValue = HeaderValue::from_static(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'",
    );
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::body::Body;
    use axum::response::IntoResponse;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn ask(router: &Router, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_is_made_once_for_all_who_ask_in_whatever_encoding() {
        let made = Arc::new(AtomicU32::new(0));
        let count = made.clone();
        let file = move || async move {
            count.fetch_add(1, Ordering::Relaxed);
            ([(header::CONTENT_TYPE, "text/javascript")], "let x = 1; ".repeat(500))
        };
        let gone = get(|| async { StatusCode::NOT_FOUND.into_response() });
        let router = kept(Router::new().route("/{name}", get(file)).route("/gone", gone));
        let mut tags = Vec::new();
        for encoding in ["identity", "gzip", "br", "br"] {
            let answer = ask(&router, "/x.js", &[("accept-encoding", encoding)]).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/javascript");
            let encoded = answer.headers().get(header::CONTENT_ENCODING).map(|it| it.to_str());
            let encoded = encoded.map_or("identity", |it| it.unwrap());
            assert_eq!(encoded, encoding);
            tags.push(answer.headers()[header::ETAG].to_str().unwrap().to_owned());
            let bytes = to_bytes(answer.into_body(), MAX_BYTES).await.unwrap();
            assert_eq!(bytes.len() == 5500, encoding == "identity");
        }
        assert_eq!(tags[2], tags[3]);
        assert_eq!(made.load(Ordering::Relaxed), 1);
        let known = [("if-none-match", tags[0].as_str())];
        assert_eq!(ask(&router, "/x.js", &known).await.status(), StatusCode::NOT_MODIFIED);
        for _ in 0..2 {
            assert_eq!(ask(&router, "/gone", &[]).await.status(), StatusCode::NOT_FOUND);
            ask(&router, "/%78.js", &[]).await;
        }
        assert_eq!(made.load(Ordering::Relaxed), 3, "other spellings are not kept");
    }
}
