//! The error envelope: RFC 9457 `application/problem+json` with a list of the rules that failed.
//!
//! ```json
//! {"type":"/errors/ticket-locked","title":"Conflict","status":409,"code":"ticket_locked",
//!  "detail":"…","errors":[{"message":"…","field":"price"}]}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::codes::{Code, title_of};
use super::request_id::RequestId;

/// The media type of every error.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// One rule that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// What is wrong, for people.
    pub message: Cow<'static, str>,
    /// The field or query parameter at fault, if it is one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'static, str>>,
}

impl FieldError {
    /// A rule that one field breaks.
    pub fn on(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), field: Some(field.into()) }
    }

    /// A rule that the request breaks as a whole.
    pub fn general(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), field: None }
    }
}

/// A refusal on its way to the client. What it says follows from its [`Code`];
/// the detail tells people more.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    status: StatusCode,
    retry_after_seconds: Option<u64>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    members: Vec<(&'static str, Value)>,
}

impl Problem {
    /// A problem with this code, its status and this explanation for people.
    ///
    /// The detail of a code whose status is 5xx is never shown.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            status: code.status(),
            retry_after_seconds: None,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            members: Vec::new(),
        }
    }

    /// 400: the request breaks a rule that every request must keep.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    /// 400: every rule that the fields break, in the order of the fields.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => only.message.clone(),
            _ => Cow::Borrowed("The request breaks more than one rule."),
        };
        Self { errors, ..Self::new(Code::ValidationFailed, detail) }
    }

    /// 401: sign in first.
    pub fn unauthorized() -> Self {
        Self::new(Code::Unauthenticated, "Sign in to do this.")
    }

    /// 404, the same for what does not exist and what is not for this user's eyes.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "There is nothing here.")
    }

    /// 405. The router adds the `allow` header.
    pub fn method_not_allowed() -> Self {
        Self::new(Code::MethodNotAllowed, "This path does not answer to this method.")
    }

    /// 412: the resource is not at a version that `if-match` names.
    pub fn precondition_failed() -> Self {
        Self::new(Code::PreconditionFailed, "The resource has changed since it was read.")
    }

    /// 413: the body is over the limit.
    pub fn payload_too_large() -> Self {
        Self::new(Code::PayloadTooLarge, "The body is too large.")
    }

    /// 415: the body is not of a kind that is read here.
    pub fn unsupported_media_type(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::UnsupportedMediaType, detail)
    }

    /// 429 with this code: come back after so many seconds.
    pub fn too_many_requests(code: Code, retry_after_seconds: u64) -> Self {
        Self::new(code, code.meaning()).retry_after(retry_after_seconds)
    }

    /// 500. The cause belongs in the log, never here.
    pub fn internal() -> Self {
        Self::new(Code::Internal, Code::Internal.meaning())
    }

    /// 503: come back after so many seconds.
    pub fn unavailable(retry_after_seconds: u64) -> Self {
        Self::new(Code::Unavailable, Code::Unavailable.meaning()).retry_after(retry_after_seconds)
    }

    /// Gives it a status that its code documents beside the usual one.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a `retry-after` header.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Sets the rules that failed.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Sets a header of the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a member that this code documents, such as `declineCode`. It cannot
    /// replace one of the members that every problem has.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status, as a rule the one that goes with the code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body as the client will read it.
    pub fn into_document(self) -> ProblemDocument {
        // What went wrong inside is for the log. Even if a caller put it into
        // the detail, a 5xx shows the documented sentence alone.
        let is_server_error = self.status().is_server_error();
        let detail = if is_server_error { self.code.meaning().into() } else { self.detail };
        let errors = if is_server_error || self.errors.is_empty() {
            vec![FieldError::general(detail.clone())]
        } else {
            self.errors
        };
        let is_new = |name: &str| !ProblemDocument::MEMBERS.contains(&name);
        ProblemDocument {
            r#type: self.code.type_reference(),
            title: title_of(self.status),
            status: self.status.as_u16(),
            code: self.code.name(),
            detail,
            errors,
            request_id: RequestId::current().filter(|_| is_server_error).map(|id| id.to_string()),
            members: self.members.into_iter().filter(|(name, _)| is_new(name)).collect(),
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::validation(vec![error])
    }
}

/// The body of every error.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub struct ProblemDocument {
    /// Where the code is explained, relative to the server.
    #[schema(example = "/errors/ticket-locked")]
    pub r#type: String,
    /// The name of the status.
    #[schema(example = "Conflict")]
    pub title: &'static str,
    /// The status of the answer.
    #[schema(example = 409)]
    pub status: u16,
    /// The stable code for programs.
    #[schema(example = "ticket_locked")]
    pub code: &'static str,
    /// What happened this time, for people.
    pub detail: Cow<'static, str>,
    /// Every rule that failed; never empty.
    pub errors: Vec<FieldError>,
    /// The id under which the log knows this request, on a 5xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What the code documents beyond the above.
    #[serde(flatten)]
    pub members: BTreeMap<&'static str, Value>,
}

impl ProblemDocument {
    /// The members that every problem may have.
    const MEMBERS: &[&str] = &["type", "title", "status", "code", "detail", "errors", "requestId"];
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let (status, retry_after_seconds) = (self.status(), self.retry_after_seconds);
        let code = self.code;
        let own_headers = std::mem::take(&mut self.headers);
        // A document of strings always serialises.
        let body = serde_json::to_vec(&self.into_document()).unwrap_or_default();
        let mut response = (status, body).into_response();
        // For those who tell of the answer without reading it.
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        // Several statuses, 404 among them, may otherwise be cached by guesswork.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(own_headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    async fn body_of(response: Response) -> Value {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_single_broken_rule_is_the_detail() {
        let rule = |field: &'static str| FieldError::on(field, format!("{field} is required"));
        let detail = |errors| Problem::validation(errors).into_document().detail.into_owned();
        assert_eq!(detail(vec![rule("name")]), "name is required");
        let both = detail(vec![rule("name"), rule("city")]);
        assert_eq!(both, "The request breaks more than one rule.");
    }

    #[tokio::test]
    async fn a_problem_without_field_errors_repeats_its_detail_as_the_only_error() {
        let response = Problem::new(Code::TicketLocked, "Someone else holds this ticket.")
            .retry_after(17)
            .into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "17");
        let expected = json!({
            "type": "/errors/ticket-locked",
            "title": "Conflict",
            "status": 409,
            "code": "ticket_locked",
            "detail": "Someone else holds this ticket.",
            "errors": [{ "message": "Someone else holds this ticket." }],
        });
        assert_eq!(body_of(response).await, expected);
    }

    #[tokio::test]
    async fn every_failed_rule_is_told_in_order() {
        let response = Problem::validation(vec![
            FieldError::on("title", "Title is required"),
            FieldError::on("price", "Price must be greater than 0"),
        ])
        .into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let body = body_of(response).await;
        assert_eq!(body["code"], "validation_failed");
        let expected = json!([
            { "message": "Title is required", "field": "title" },
            { "message": "Price must be greater than 0", "field": "price" },
        ]);
        assert_eq!(body["errors"], expected);
    }

    #[tokio::test]
    async fn a_server_error_shows_neither_detail_nor_errors_it_was_given() {
        let response = Problem::new(Code::Internal, "redb: page 7 is corrupt")
            .errors(vec![FieldError::general("redb: page 7 is corrupt")])
            .into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body_of(response).await.to_string().contains("redb"));
    }

    #[tokio::test]
    async fn every_401_says_how_to_sign_in_and_no_error_is_cached() {
        for code in [Code::Unauthenticated, Code::InvalidCredentials] {
            let response = Problem::new(code, "No.").into_response();
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
    }

    #[tokio::test]
    async fn documented_members_are_added_and_cannot_replace_the_standard_ones() {
        let response = Problem::new(Code::PaymentFailed, "Declined.")
            .member("declineCode", "card_declined")
            .member("status", 200)
            .into_response();
        let body = body_of(response).await;
        assert_eq!(body["declineCode"], "card_declined");
        assert_eq!(body["status"], 402);
    }

    #[tokio::test]
    async fn every_code_gives_a_complete_document() {
        for &code in Code::ALL {
            let body = body_of(Problem::new(code, "It is so.").into_response()).await;
            assert_eq!(body["type"], code.type_reference());
            assert_eq!(body["code"], code.name());
            assert_eq!(body["errors"].as_array().unwrap().len(), 1);
        }
    }
}
