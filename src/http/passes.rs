//! Passes: sellers add them to a ticket, and whoever paid a seat opens its pass.
//!
//! Nobody else gets a byte of one, whatever they ask: who may see it is looked at for every request, no
//! answer is kept by anybody on the way, and there is neither a tag nor a range by which a part or the
//! sameness of one could be found out.

mod contents;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::contents::{BadContent, kind_of};
use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::docs::Refusals;
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field, FieldValue, Given, Refused};
use super::edge::json::{JsonObject, is_json, only, read_body, refuse_encoded};
use super::edge::paging::Query;
use super::edge::path::PathId;
use super::edge::problem::Problem;
use super::pass_settings::PassSettings;
use super::qr;
use super::state::{ApiState, SignedIn};
use super::views::Text;
use crate::actors::NewPass;
use crate::auth::{Limit, VaultError};
use crate::domain::visible::disturbs_its_line;
use crate::domain::{OrderId, Pass, PassId, PassKind, PassMark, TicketId, Timestamp};

/// The most characters of a code: as many as fit a picture that a phone can show.
const CODE_MAX_CHARS: usize = 500;
/// What is longer takes a while to seal, in which its thread would serve nobody else.
const SEALED_APART: usize = 64 * 1024;

/// The routes of passes.
pub fn router(settings: PassSettings) -> OpenApiRouter<ApiState> {
    let limit = DefaultBodyLimit::max(settings.max_bytes);
    OpenApiRouter::new()
        .routes(routes!(add, list_of_ticket))
        .layer(limit)
        .routes(routes!(list_of_order))
        .routes(routes!(open, remove))
}

/// What a pass is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PassKind)]
enum PassKindJson {
    /// A PDF document.
    Pdf,
    /// A PNG picture.
    Png,
    /// A JPEG picture.
    Jpeg,
    /// A pass for a phone's wallet.
    Pkpass,
    /// A text that is shown as a QR code.
    Code,
}

impl From<PassKind> for PassKindJson {
    fn from(kind: PassKind) -> Self {
        match kind {
            PassKind::Pdf => Self::Pdf,
            PassKind::Png => Self::Png,
            PassKind::Jpeg => Self::Jpeg,
            PassKind::Pkpass => Self::Pkpass,
            PassKind::Code => Self::Code,
        }
    }
}

/// A pass, without what it holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pass)]
struct PassJson {
    /// Names the pass.
    #[schema(value_type = String, pattern = "^pass_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    id: Text<PassId>,
    /// The ticket it belongs to.
    #[schema(value_type = String)]
    ticket_id: Text<TicketId>,
    /// The name of its seat; null where seats have none.
    #[schema(required)]
    seat: Option<String>,
    /// What it is.
    kind: PassKindJson,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    created_at: Text<Timestamp>,
}

impl From<&Pass> for PassJson {
    fn from(pass: &Pass) -> Self {
        Self {
            id: Text(pass.id),
            ticket_id: Text(pass.ticket),
            seat: pass.seat.as_ref().map(|seat| seat.as_str().to_owned()),
            kind: pass.kind.into(),
            created_at: Text(pass.created_at),
        }
    }
}

/// A code that is shown as a picture.
#[derive(Deserialize, ToSchema)]
#[schema(as = CodeDraft)]
struct CodeDraft {
    /// The code.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 500)]
    code: Field<Code>,
    /// How it is drawn.
    #[serde(default)]
    #[schema(value_type = String, required, example = "qr")]
    format: Field<Qr>,
}

/// A code as it was given.
#[derive(Debug, Clone)]
struct Code(String);

impl FieldValue for Code {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let code = given.text().unwrap_or_default().trim();
        let is_one = !code.is_empty()
            && code.chars().count() <= CODE_MAX_CHARS
            && !code.chars().any(disturbs_its_line)
            && qr::svg(code).is_some();
        let rule = "code must be 1 to 500 characters without control characters";
        if is_one { Ok(Self(code.to_owned())) } else { Err(Refused::because(rule)) }
    }
}

/// The one way in which codes are drawn.
#[derive(Debug, Clone, Copy)]
struct Qr;

impl FieldValue for Qr {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let is_qr = given.text() == Some("qr");
        if is_qr { Ok(Self) } else { Err(Refused::because("format must be \"qr\"")) }
    }
}

/// For which seat.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query, which is read parameter by parameter")]
struct SeatParam {
    /// The name of the seat; needed where the ticket names its seats.
    seat: Option<String>,
}

/// Adds a pass for a seat: a file (PDF, PNG, JPEG or pkpass), or a code as JSON.
#[utoipa::path(
    post, path = "/api/tickets/{id}/passes", operation_id = "addPass", tag = "passes", params(("id" = String, Path), SeatParam),
    security(("session" = []), ("bearer" = [])),
    request_body(content(
        (CodeDraft = "application/json"), (Vec<u8> = "application/pdf"), (Vec<u8> = "image/png"),
        (Vec<u8> = "image/jpeg"), (Vec<u8> = "application/vnd.apple.pkpass"), (Vec<u8> = "application/octet-stream"),
    )),
    responses((status = 201, body = PassJson, description = "The pass is there.", headers(("location" = String))), Refusals),
)]
async fn add(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<TicketId>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let ticket = id.known()?;
    let seat = query.one("seat")?.map(str::to_owned);
    let told = |error| problem(error, state.market.now());
    // Nothing is read of what can't be added.
    state.market.takes_pass(who.user, ticket, seat.as_deref()).await.map_err(told)?;
    refuse_encoded(request.headers())?;
    let given_as = given_as(request.headers())?;
    state.limits.count(Limit::Uploads, who.user, state.market.now())?;
    let place = state.uploads.place(who.user).await.ok_or_else(|| Problem::unavailable(1))?;
    let body = read_body(request).await?;
    let (id, max_bytes) = (state.market.mint_pass(), state.passes.max_bytes);
    let sealed = match given_as {
        GivenAs::Code => {
            let draft: CodeDraft = JsonObject::parse(body)?.read()?;
            let mut faults = Faults::default();
            let code = faults.note("code", draft.code.required());
            let format = faults.note("format", draft.format.required());
            let (Some(Code(code)), Some(Qr)) = (code, format) else {
                return Err(faults.into_problem());
            };
            seal(&state, id, PassKind::Code, code.as_bytes())?
        }
        GivenAs::File(_) if body.len() > SEALED_APART => {
            let state = state.clone();
            let work = move || seal_file(&state, id, given_as, &body, max_bytes);
            tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())??
        }
        GivenAs::File(_) => seal_file(&state, id, given_as, &body, max_bytes)?,
    };
    let SealedPass { kind, mark, wrapped_key, bytes } = sealed;
    let new = NewPass { id, by: who.user, seat, kind, mark, wrapped_key };
    let pass = state.market.add_pass(ticket, new, bytes).await.map_err(told)?;
    drop(place);
    let location = [(header::LOCATION, format!("/api/passes/{}", pass.id))];
    let headers = [(header::CACHE_CONTROL, NO_STORE)];
    Ok((StatusCode::CREATED, location, headers, Json(PassJson::from(&pass))).into_response())
}

/// As what a body says that it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GivenAs {
    /// JSON with a code.
    Code,
    /// A file, of this kind if that is said.
    File(Option<PassKind>),
}

fn given_as(headers: &HeaderMap) -> Result<GivenAs, Problem> {
    if is_json(headers) {
        return Ok(GivenAs::Code);
    }
    let value = only(headers, &header::CONTENT_TYPE).ok_or_else(not_a_pass)?;
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/octet-stream" {
        return Ok(GivenAs::File(None));
    }
    let mut files = PassKind::ALL.into_iter().filter(|kind| *kind != PassKind::Code);
    let kind = files.find(|kind| kind.media_type() == essence).ok_or_else(not_a_pass)?;
    Ok(GivenAs::File(Some(kind)))
}

fn not_a_pass() -> Problem {
    Problem::unsupported_media_type(
        "A pass is a whole PDF, PNG, JPEG or pkpass file with its own content-type, or JSON with a code.",
    )
}

/// A pass that is ready to be kept.
struct SealedPass {
    kind: PassKind,
    mark: PassMark,
    wrapped_key: Vec<u8>,
    bytes: Vec<u8>,
}

fn seal_file(
    state: &ApiState,
    id: PassId,
    given_as: GivenAs,
    body: &Bytes,
    max_bytes: usize,
) -> Result<SealedPass, Problem> {
    let kind = kind_of(body, max_bytes).map_err(|fault| match fault {
        BadContent::Unknown => not_a_pass(),
        BadContent::TooLarge => Problem::payload_too_large(),
    })?;
    match given_as {
        GivenAs::File(Some(said)) if said != kind => Err(not_a_pass()),
        _ => seal(state, id, kind, body),
    }
}

fn seal(
    state: &ApiState,
    id: PassId,
    kind: PassKind,
    content: &[u8],
) -> Result<SealedPass, Problem> {
    // A file is the same whatever it is called.
    let sort = if kind == PassKind::Code { "code" } else { "file" };
    let mark = PassMark(state.vault.mark(sort, content));
    let sealed = state.vault.seal(id.as_u128(), content, &*state.entropy)?;
    Ok(SealedPass { kind, mark, wrapped_key: sealed.wrapped_key, bytes: sealed.bytes })
}

/// Lists the passes of a ticket of the signed-in user's.
#[utoipa::path(
    get, path = "/api/tickets/{id}/passes", operation_id = "listTicketPasses", tag = "passes", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses((status = 200, body = Vec<PassJson>, description = "The passes, without what they hold."), Refusals),
)]
async fn list_of_ticket(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<TicketId>,
) -> Result<Response, Problem> {
    let passes = state.market.passes_of_ticket(id.known()?, who.user).await;
    Ok(list(&passes.map_err(|error| problem(error, state.market.now()))?))
}

/// Lists the passes of an order of the signed-in user's, once it is paid.
#[utoipa::path(
    get, path = "/api/orders/{id}/passes", operation_id = "listOrderPasses", tag = "passes", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses((status = 200, body = Vec<PassJson>, description = "The passes, without what they hold."), Refusals),
)]
async fn list_of_order(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<OrderId>,
) -> Result<Response, Problem> {
    let passes = state.market.passes_of_order(id.known()?, who.user).await;
    Ok(list(&passes.map_err(|error| problem(error, state.market.now()))?))
}

fn list(passes: &[Pass]) -> Response {
    let shown: Vec<_> = passes.iter().map(PassJson::from).collect();
    ([(header::CACHE_CONTROL, NO_STORE)], Json(shown)).into_response()
}

/// A code, for a program that draws it itself.
#[derive(Serialize, ToSchema)]
#[schema(as = PassCode)]
struct CodeJson {
    /// The code.
    code: String,
    /// How it is drawn.
    format: &'static str,
}

/// Opens a pass: for its seller until its seat is paid, for its buyer from then on.
#[utoipa::path(
    get, path = "/api/passes/{id}", operation_id = "openPass", tag = "passes", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The file, or the code as a picture or, where JSON is asked for, as it is.", content(
            (Vec<u8> = "application/pdf"), (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"),
            (Vec<u8> = "application/vnd.apple.pkpass"), (String = "image/svg+xml"), (CodeJson = "application/json"),
        )),
        Refusals,
    ),
)]
async fn open(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<PassId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = state.market.open_pass(id.known()?, who.user).await;
    let (pass, sealed) = opened.map_err(|error| problem(error, state.market.now()))?;
    let content = if sealed.len() > SEALED_APART {
        let (state, pass) = (state.clone(), pass.clone());
        let work = move || state.vault.open(pass.id.as_u128(), &pass.wrapped_key, &sealed);
        tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())??
    } else {
        state.vault.open(pass.id.as_u128(), &pass.wrapped_key, &sealed)?
    };
    if pass.kind != PassKind::Code {
        return Ok(attached(&pass, content));
    }
    let code = String::from_utf8(content).map_err(|_| Problem::internal())?;
    if wants_json(&headers) {
        let body = Json(CodeJson { code, format: "qr" });
        let varies = [(header::VARY, HeaderValue::from_static("accept"))];
        return Ok((varies, [(header::CACHE_CONTROL, NO_STORE)], body).into_response());
    }
    let drawn = qr::svg(&code).ok_or_else(Problem::internal)?;
    Ok(attached(&pass, drawn.into_bytes()))
}

/// A file under a name that says nothing.
fn attached(pass: &Pass, content: Vec<u8>) -> Response {
    let extension = if pass.kind == PassKind::Code { "svg" } else { pass.kind.name() };
    let disposition = format!("attachment; filename=\"{}.{extension}\"", pass.id);
    let headers = [
        (header::CONTENT_TYPE, pass.kind.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::VARY, "accept".to_owned()),
    ];
    (headers, [(header::CACHE_CONTROL, NO_STORE)], content).into_response()
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut types = accepted.flat_map(|line| line.split(','));
    types.any(|wanted| {
        let essence = wanted.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

/// Takes a pass away while its seat is free.
#[utoipa::path(
    delete, path = "/api/passes/{id}", operation_id = "removePass", tag = "passes", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses((status = 204, description = "It is gone."), Refusals),
)]
async fn remove(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<PassId>,
) -> Result<StatusCode, Problem> {
    let removed = state.market.remove_pass(id.known()?, who.user).await;
    removed.map_err(|error| problem(error, state.market.now()))?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a pass could not be sealed or opened");
        Self::internal()
    }
}
