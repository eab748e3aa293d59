//! The storefront: every page's address answers with the same small document, and its scripts
//! and styles come from `/assets/{hash}/`, embedded in the program.
//!
//! The hash is one over all files. A path with it never changes what it leads to, so browsers
//! keep it for good; the document is asked for anew each time and names the current hash.

use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::edge::problem::Problem;
use super::public_config::CardForm;

/// Where pages are. What is not here is no page, though a browser that asks is shown one
/// that says so.
const PAGES: [&str; 8] = [
    "/",
    "/auth/signup",
    "/auth/signin",
    "/tickets/new",
    "/tickets/mine",
    "/tickets/{id}",
    "/orders",
    "/orders/{id}",
];

/// Embeds files of `web/`.
macro_rules! embed {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/", $name)))),*]
    };
}

/// What is served under `/assets/`.
const FILES: &[(&str, &[u8])] = embed! {
    "app.js" "api.js" "clock.js" "dom.js" "format.js" "forms.js" "icon.svg" "live.js"
    "pages/auth.js" "pages/home.js" "pages/mine.js" "pages/missing.js" "pages/order.js"
    "pages/orders.js" "pages/sell.js" "pages/ticket.js" "pay.js" "session.js" "style.css"
    "tickets.js"
};

/// The document of every page. `{{assets}}` stands for where the files are, `{{modules}}` for
/// links that have all modules fetched at once instead of one import after the other.
const SHELL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/index.html"));

const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Everything the pages are made of, for this program as it was built.
static SITE: LazyLock<Site> = LazyLock::new(Site::new);

struct Site {
    /// Changes whenever a file does.
    hash: String,
    shell: Asset,
}

/// A file, and what it is compressed to, found out when first asked for.
struct Asset {
    plain: Bytes,
    brotli: OnceCell<Bytes>,
    gzip: OnceCell<Bytes>,
}

/// Compressed once per process rather than once per request.
static ASSETS: LazyLock<Vec<(&'static str, Asset)>> = LazyLock::new(|| {
    FILES.iter().map(|(name, bytes)| (*name, Asset::new(Bytes::from_static(bytes)))).collect()
});

impl Site {
    fn new() -> Self {
        let mut digest = Sha256::new_with_prefix(SHELL);
        for (name, bytes) in FILES {
            digest.update(name);
            digest.update(bytes);
        }
        let hash: String = digest.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
        let assets = format!("/assets/{hash}");
        let modules = FILES.iter().map(|(name, _)| name).filter(|name| name.ends_with(".js"));
        let modules: Vec<String> = modules
            .map(|name| format!(r#"<link rel="modulepreload" href="{assets}/{name}">"#))
            .collect();
        let shell = SHELL.replace("{{modules}}", &modules.join("")).replace("{{assets}}", &assets);
        Self { hash, shell: Asset::new(shell.into()) }
    }
}

/// What the pages' routes share: the policy that goes with the document.
#[derive(Clone)]
struct Pages {
    policy: HeaderValue,
}

/// The pages and their files.
pub fn router(card_form: &CardForm) -> Router {
    let pages = Pages { policy: policy(card_form) };
    let router = PAGES.iter().fold(Router::new(), |router, path| router.route(path, get(shell)));
    router.route("/assets/{hash}/{*name}", get(asset)).fallback(nothing).with_state(pages)
}

/// The only scripts are our own files, and Stripe's where it takes the cards. Nothing is
/// inline, nothing is loaded from elsewhere, and nobody may frame us.
fn policy(card_form: &CardForm) -> HeaderValue {
    match card_form {
        CardForm::Sandbox => HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
        ),
        CardForm::Stripe { .. } => HeaderValue::from_static(
            "default-src 'none'; script-src 'self' https://js.stripe.com https://*.js.stripe.com; \
             style-src 'self'; img-src 'self' https://*.stripe.com; \
             connect-src 'self' https://api.stripe.com; \
             frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    }
}

async fn shell(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    document(&pages, &headers).await
}

/// A person who is lost gets a page, a program gets a problem.
async fn nothing(State(pages): State<Pages>, request: Request) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_person = accepts.is_some_and(|accepts| accepts.contains("text/html"));
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_person && is_read && !request.uri().path().starts_with("/api/") {
        // That the browser knows the document does not make it a page.
        let mut headers = request.headers().clone();
        headers.remove(header::IF_NONE_MATCH);
        let mut response = document(&pages, &headers).await;
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    Problem::not_found().into_response()
}

async fn document(pages: &Pages, headers: &HeaderMap) -> Response {
    let mut response = SITE.shell.answer(headers, HTML, ASK_AGAIN).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, pages.policy.clone());
    response
}

async fn asset(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let asset = ASSETS.iter().find(|(known, _)| *known == name).map(|(_, asset)| asset);
    match asset.filter(|_| hash == SITE.hash) {
        Some(asset) => asset.answer(&headers, media_type(&name), FOREVER).await,
        None => Problem::not_found().into_response(),
    }
}

fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    })
}

/// Turns a file into what is sent in its stead.
type Compress = fn(&[u8]) -> std::io::Result<Vec<u8>>;

/// The encodings a file may be sent in, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Plain,
}

impl Asset {
    fn new(plain: Bytes) -> Self {
        Self { plain, brotli: OnceCell::new(), gzip: OnceCell::new() }
    }

    async fn answer(
        &self,
        headers: &HeaderMap,
        media_type: HeaderValue,
        caching: HeaderValue,
    ) -> Response {
        let encoding = Encoding::choose(headers);
        // The same text in another encoding is another representation, with its own tag.
        let tag = match encoding {
            Encoding::Brotli => format!("\"{}-br\"", SITE.hash),
            Encoding::Gzip => format!("\"{}-gz\"", SITE.hash),
            Encoding::Plain => format!("\"{}\"", SITE.hash),
        };
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_fresh = known.is_some_and(|known| known.contains(&tag));
        // A hexadecimal number in quotes is a value that every header may hold.
        let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
        let common = [
            (header::ETAG, tag),
            (header::CACHE_CONTROL, caching),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        if is_fresh {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let mut response = common.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, media_type);
        if let Some(name) = encoding.name() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        *response.body_mut() = self.bytes(encoding).await.into();
        response
    }

    async fn bytes(&self, encoding: Encoding) -> Bytes {
        let (cell, compress): (_, Compress) = match encoding {
            Encoding::Plain => return self.plain.clone(),
            Encoding::Brotli => (&self.brotli, brotli),
            Encoding::Gzip => (&self.gzip, gzip),
        };
        let plain = self.plain.clone();
        let compressed = cell.get_or_try_init(|| async move {
            let work = tokio::task::spawn_blocking(move || compress(&plain));
            work.await.map_err(std::io::Error::other)?.map(Bytes::from)
        });
        match compressed.await {
            Ok(bytes) => bytes.clone(),
            // It is compressed in memory, where nothing fails but a runtime that is shutting
            // down, and then nobody reads the answer.
            Err(error) => {
                tracing::warn!(%error, "a page was not compressed");
                Bytes::new()
            }
        }
    }
}

impl Encoding {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Plain => None,
        }
    }

    /// The best that the client takes.
    fn choose(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT_ENCODING).iter();
        let accepted: Vec<&str> = accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .filter_map(|entry| {
                let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
                let is_refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
                (!is_refused).then(|| name.trim())
            })
            .collect();
        let best = [Self::Brotli, Self::Gzip].into_iter();
        let mut best =
            best.filter(|encoding| encoding.name().is_some_and(|n| accepted.contains(&n)));
        best.next().unwrap_or(Self::Plain)
    }
}

fn brotli(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*plain, &mut compressed, &params)?;
    Ok(compressed)
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests;
