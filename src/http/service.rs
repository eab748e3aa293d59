//! The server about itself: whether it lives, whether it takes work.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::edge::docs::Refusals;
use super::edge::problem::Problem;
use super::state::ApiState;

/// When a client that met a server which is starting or stopping should come back.
const NOT_READY_RETRY_SECONDS: u64 = 5;

/// The routes of the service.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(readiness))
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
struct Status {
    /// Always `ok`; otherwise the answer is a problem.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Says that the process is up.
#[utoipa::path(get, path = "/healthz", operation_id = "getHealth", tag = "service", responses((status = 200, body = Status, description = "The process is up.")))]
async fn health() -> Json<Status> {
    Json(Status { status: "ok" })
}

/// Says whether the server takes work: 503 while it is stopping or can't write.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "service",
    responses((status = 200, body = Status, description = "The server takes work."), Refusals),
)]
async fn readiness(State(state): State<ApiState>) -> Response {
    let store = &state.store;
    let can_write = store.failure().or_else(|| store.trouble()).is_none();
    if state.readiness.is_stopping() || !can_write {
        return Problem::unavailable(NOT_READY_RETRY_SECONDS).into_response();
    }
    Json(Status { status: "ok" }).into_response()
}
