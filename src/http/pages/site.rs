//! The storefront's files, embedded in the program, and how a file or a document is sent.
//!
//! Files are served under one hash over all of them. A path with it never changes what it leads
//! to, so browsers keep it for good.

use std::io::Write;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

/// Embeds files of `web/`.
macro_rules! embed {
    ($($name:literal)*) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/", $name)))),*]
    };
}

/// What is served under `/assets/`.
pub const FILES: &[(&str, &[u8])] = embed! {
    "api.js" "app.js" "bank.js" "cards.js" "clock.js" "covers.js" "dom.js" "errors.js" "fees.js" "format.js" "forms.js"
    "i18n.js" "icon.svg" "live.js" "locales/de.ftl" "locales/en.ftl" "money.js"
    "pages/account-list.js" "pages/account-sessions.js" "pages/account-tokens.js" "pages/account-totp.js" "pages/account.js" "pages/auth.js" "pages/cover-form.js" "pages/home.js"
    "pages/mine.js" "pages/missing.js" "pages/order.js"
    "pages/recovery.js" "pages/orders.js" "pages/paged.js" "pages/seat-fields.js" "pages/sell-show.js" "pages/sell.js" "pages/show.js"
    "pages/ticket.js" "pages/tickets.js" "pay.js" "places.js" "seats.js" "session.js" "shows.js"
    "stripe.js" "style.css" "tickets.js" "vendor/fluent/LICENSE" "vendor/fluent/builtins.js"
    "vendor/fluent/bundle.js" "vendor/fluent/index.js" "vendor/fluent/memoizer.js"
    "vendor/fluent/resolver.js" "vendor/fluent/resource.js" "vendor/fluent/scope.js"
    "vendor/fluent/types.js"
};

/// The modules that the first page does not need: `app.js` fetches them after it.
pub const LATER: &[&str] = &[
    "bank.js",
    "cards.js",
    "covers.js",
    "pages/account-list.js",
    "pages/account-sessions.js",
    "pages/account-tokens.js",
    "pages/account-totp.js",
    "pages/account.js",
    "pages/cover-form.js",
    "pages/order.js",
    "pages/recovery.js",
    "pages/seat-fields.js",
    "pages/sell-show.js",
    "pages/sell.js",
    "pay.js",
    "stripe.js",
];

/// The document that every page is made from.
pub const SHELL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/index.html"));

/// How a file is kept that never changes.
pub const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// The media type of every document.
pub const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Everything the pages are made of, for this program as it was built.
pub static SITE: LazyLock<Site> = LazyLock::new(Site::new);

/// Where the files are.
pub struct Site {
    /// The path that all files are under. Its hash changes whenever a file does.
    pub assets: String,
    /// Links that have the first page's modules fetched at once instead of one import after the other.
    pub modules: String,
    files: Vec<(&'static str, Asset)>,
}

impl Site {
    fn new() -> Self {
        let mut digest = Sha256::new_with_prefix(SHELL);
        for (name, bytes) in FILES {
            digest.update(name);
            digest.update(bytes);
        }
        let hash = short(digest);
        let assets = format!("/assets/{hash}");
        let modules = FILES.iter().map(|(name, _)| name).filter(|name| name.ends_with(".js"));
        let modules = modules.filter(|name| !LATER.contains(name));
        let modules: Vec<String> = modules
            .map(|name| format!(r#"<link rel="modulepreload" href="{assets}/{name}">"#))
            .collect();
        let files = FILES.iter().map(|(name, bytes)| {
            (*name, Asset::new(Bytes::from_static(bytes), hash.clone(), Effort::Once))
        });
        let files = files.collect();
        Self { assets, modules: modules.join(""), files }
    }

    /// A file, by the hash and the name in its path.
    pub fn file(&self, hash: &str, name: &str) -> Option<&Asset> {
        let is_current = self.assets.strip_prefix("/assets/") == Some(hash);
        let mut files = self.files.iter().filter(|_| is_current);
        files.find(|(known, _)| *known == name).map(|(_, asset)| asset)
    }

    /// Answers with a file.
    pub async fn send(asset: &Asset, name: &str, headers: &HeaderMap) -> Response {
        asset.answer(headers, media_type(name), FOREVER).await
    }
}

/// Answers with a document that was made for this request.
pub async fn send_document(html: String, headers: &HeaderMap) -> Response {
    let tag = short(Sha256::new_with_prefix(&html));
    let document = Asset::new(html.into(), tag, Effort::EachTime);
    let mut response = document.answer(headers, HTML, ASK_AGAIN).await;
    let vary = HeaderValue::from_static("accept-encoding, accept-language, cookie");
    response.headers_mut().insert(header::VARY, vary);
    response
}

fn short(digest: Sha256) -> String {
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    })
}

/// How hard a text is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// As far as it goes: once per process, for all who ask.
    Once,
    /// Quickly, for one who waits.
    EachTime,
}

/// A text that is sent, and what it is compressed to, found out when first asked for.
pub struct Asset {
    plain: Bytes,
    /// Names these bytes.
    tag: String,
    effort: Effort,
    brotli: OnceCell<Bytes>,
    gzip: OnceCell<Bytes>,
}

impl Asset {
    fn new(plain: Bytes, tag: String, effort: Effort) -> Self {
        Self { plain, tag, effort, brotli: OnceCell::new(), gzip: OnceCell::new() }
    }

    /// A text that was made while somebody waited, and is kept for all who ask.
    pub fn made_once(plain: Bytes) -> Self {
        let tag = short(Sha256::new_with_prefix(&plain));
        Self::new(plain, tag, Effort::EachTime)
    }

    /// Answers with the text, about which browsers ask again each time.
    pub async fn answer_briefly_cached(
        &self,
        headers: &HeaderMap,
        media_type: HeaderValue,
    ) -> Response {
        self.answer(headers, media_type, ASK_AGAIN).await
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
            Encoding::Brotli => format!("\"{}-br\"", self.tag),
            Encoding::Gzip => format!("\"{}-gz\"", self.tag),
            Encoding::Plain => format!("\"{}\"", self.tag),
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

    /// The text as it is sent in an encoding.
    pub async fn bytes(&self, encoding: Encoding) -> Bytes {
        let (cell, compress): (_, Compress) = match encoding {
            Encoding::Plain => return self.plain.clone(),
            Encoding::Brotli => (&self.brotli, brotli),
            Encoding::Gzip => (&self.gzip, gzip),
        };
        let (plain, effort) = (self.plain.clone(), self.effort);
        let compressed = cell.get_or_try_init(|| async move {
            match effort {
                Effort::EachTime => compress(&plain, effort),
                Effort::Once => {
                    let work = tokio::task::spawn_blocking(move || compress(&plain, effort));
                    work.await.map_err(std::io::Error::other)?
                }
            }
            .map(Bytes::from)
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

/// Turns a text into what is sent in its stead.
type Compress = fn(&[u8], Effort) -> std::io::Result<Vec<u8>>;

/// The encodings a text may be sent in, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `br`.
    Brotli,
    /// `gzip`.
    Gzip,
    /// As it is.
    Plain,
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

fn brotli(plain: &[u8], effort: Effort) -> std::io::Result<Vec<u8>> {
    let quality = match effort {
        Effort::Once => 11,
        Effort::EachTime => 4,
    };
    let params = brotli::enc::BrotliEncoderParams { quality, ..Default::default() };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*plain, &mut compressed, &params)?;
    Ok(compressed)
}

fn gzip(plain: &[u8], effort: Effort) -> std::io::Result<Vec<u8>> {
    let level = match effort {
        Effort::Once => flate2::Compression::best(),
        Effort::EachTime => flate2::Compression::fast(),
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain)?;
    encoder.finish()
}
