//! The storefront: every page's address answers with a document that shows what is there, in the
//! reader's language, and brings the scripts that take over; their files come from
//! `/assets/{hash}/`, embedded in the program.

mod content;
mod document;
mod schema;
mod shared;
mod show_page;
mod site;
mod texts;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use self::document::Page;
use self::shared::{Clock, Pages};
pub use self::site::Asset;
use self::site::{SITE, Site, send_document};
pub use self::texts::{LANGUAGES, Language};
use super::edge::problem::Problem;
use super::storefront::{CardForm, Storefront};
use crate::store::{ReadError, SharedStore};

/// Where pages are that the server draws the frame of, and what each is called in the catalogue.
/// What is no page is answered with one that says so.
const FRAMES: [(&str, &str); 7] = [
    ("/account", "account-title"),
    ("/auth/signup", "sign-up"),
    ("/auth/signin", "sign-in"),
    ("/tickets/new", "sell-title"),
    ("/tickets/mine", "selling-title"),
    ("/orders", "orders-title"),
    ("/orders/{id}", "order"),
];

/// The pages and their files.
pub fn router(storefront: &Storefront, store: SharedStore, now: Clock) -> Router {
    let pages = Arc::new(Pages {
        store,
        now,
        policy: policy(&storefront.card_form),
        hold: storefront.hold,
        terms: storefront.terms,
        origin: storefront.public_origin.clone().filter(|origin| is_shared(origin)),
    });
    let router = FRAMES.iter().fold(Router::new(), |router, (path, name)| {
        let show = move |State(pages): State<Arc<Pages>>, headers: HeaderMap| async move {
            send(&pages, &headers, content::frame(&headers, name)).await
        };
        router.route(path, get(show))
    });
    router
        .route("/", get(front))
        .route("/tickets", get(tickets))
        .route("/tickets/{id}", get(ticket))
        .route("/shows/{id}", get(show))
        .route("/assets/{hash}/{*name}", get(asset))
        .fallback(nothing)
        .with_state(pages)
}

/// Whether others reach the server there: an address of this machine alone is no place to link to.
fn is_shared(origin: &str) -> bool {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    !["localhost", "127.", "0.0.0.0", "[::"].iter().any(|own| host.starts_with(own))
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

async fn front(State(pages): State<Arc<Pages>>, headers: HeaderMap, uri: Uri) -> Response {
    let page = content::front(&pages, &headers, is_filtered(&uri)).await;
    send_found(&pages, &headers, page).await
}

async fn tickets(State(pages): State<Arc<Pages>>, headers: HeaderMap, uri: Uri) -> Response {
    let page = content::tickets(&pages, &headers, is_filtered(&uri)).await;
    send_found(&pages, &headers, page).await
}

fn is_filtered(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| !query.is_empty())
}

async fn send_found(pages: &Pages, headers: &HeaderMap, page: Result<Page, ReadError>) -> Response {
    match page {
        Ok(page) => send(pages, headers, page).await,
        Err(error) => Problem::from(error).into_response(),
    }
}

/// A show's page.
async fn show(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let page = match id.parse() {
        Ok(id) => show_page::show(&pages, &headers, id).await,
        Err(_) => Ok(None),
    };
    send_if_found(&pages, headers, page, "missing-show").await
}

/// A ticket's page.
async fn ticket(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let page = match id.parse() {
        Ok(id) => show_page::ticket(&pages, &headers, id).await,
        Err(_) => Ok(None),
    };
    send_if_found(&pages, headers, page, "missing-ticket").await
}

/// A page of one thing. Of a thing that is not there the scripts say so.
async fn send_if_found(
    pages: &Pages,
    headers: HeaderMap,
    page: Result<Option<Page>, ReadError>,
    missing: &str,
) -> Response {
    match page {
        Ok(Some(page)) => send(pages, &headers, page).await,
        Ok(None) => send_missing(pages, headers, missing).await,
        Err(error) => Problem::from(error).into_response(),
    }
}

/// A person who is lost gets a page, a program gets a problem.
async fn nothing(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_person = accepts.is_some_and(|accepts| accepts.contains("text/html"));
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_person && is_read && !request.uri().path().starts_with("/api/") {
        return send_missing(&pages, request.headers().clone(), "missing-page").await;
    }
    Problem::not_found().into_response()
}

async fn send_missing(pages: &Pages, mut headers: HeaderMap, name: &str) -> Response {
    // That the browser knows the document does not make it a page.
    headers.remove(header::IF_NONE_MATCH);
    let mut response = send(pages, &headers, content::frame(&headers, name)).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

async fn send(pages: &Pages, headers: &HeaderMap, page: Page) -> Response {
    let language = HeaderValue::from_static(page.language.code());
    let mut response = send_document(page.into_html(), headers).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LANGUAGE, language);
    headers.insert(header::CONTENT_SECURITY_POLICY, pages.policy.clone());
    response
}

async fn asset(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    match SITE.file(&hash, &name) {
        Some(asset) => Site::send(asset, &name, &headers).await,
        None => Problem::not_found().into_response(),
    }
}

#[cfg(test)]
mod tests;
