//! The log: lines on standard error, as text or as JSON, each with the request it is about.

use std::fmt;
use std::io::IsTerminal as _;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{LogFormat, LogSettings};
use crate::http::edge::request_id::CurrentRequest;

/// Sends the log of this process to standard error. To be called once, by `main`.
///
/// # Errors
///
/// If the filter of the settings is none.
pub fn to_standard_error(settings: &LogSettings) -> anyhow::Result<()> {
    // ractor makes a span for every actor; an actor here lives for one request, and its span
    // costs more than handling it. Whoever wants them says so in the settings.
    let mut filter = EnvFilter::try_new(&settings.filter)?;
    if filter.max_level_hint() > Some(LevelFilter::WARN) && !settings.filter.contains("ractor") {
        filter = filter.add_directive("ractor=warn".parse()?);
    }
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Text => {
            lines.with_ansi(std::io::stderr().is_terminal()).with_timer(TimeAndRequest).init();
        }
        LogFormat::Json => {
            let events = WithRequest(format().json().flatten_event(false));
            lines.fmt_fields(JsonFields::new()).event_format(events).init();
        }
    }
    Ok(())
}

/// The time and, while a request is answered, what it is: `… 3fa9… GET /api/tickets`.
struct TimeAndRequest;

impl FormatTime for TimeAndRequest {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(w)?;
        match CurrentRequest::get() {
            // A path may hold characters that a terminal takes for commands.
            Some(request) => {
                let path = request.path().escape_debug();
                write!(w, " {} {} {path}", request.id, request.method)
            }
            None => Ok(()),
        }
    }
}

/// One JSON object a line, with a member `request` while one is answered.
struct WithRequest(Format<Json>);

impl<S, N> FormatEvent<S, N> for WithRequest
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(request) = CurrentRequest::get() else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let about = serde_json::json!({
            "id": request.id.to_string(),
            "method": request.method.as_str(),
            "path": request.path(),
        });
        match line.strip_prefix('{') {
            Some(members) => write!(writer, "{{\"request\":{about},{members}"),
            None => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use axum::extract::Request;

    use super::*;
    use crate::http::edge::request_id::RequestId;
    use crate::seams::SystemEntropy;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("the lines").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("the lines").clone()).expect("text")
        }
    }

    /// Logs a line while a request is answered, and one before.
    async fn log() {
        tracing::info!("before");
        let request = Request::get("/api/tickets?q=secret").header("x-request-id", "me-1");
        let request = request.body(Body::empty()).expect("a request");
        let id = RequestId::of(request.headers(), &SystemEntropy);
        let answer = async { tracing::warn!(price = 5, "odd") };
        CurrentRequest::new(id, std::net::Ipv4Addr::LOCALHOST.into(), &request).scope(answer).await;
    }

    #[tokio::test]
    async fn a_line_of_text_names_its_request() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .with_timer(TimeAndRequest)
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        log().await;
        let text = lines.text();
        let (before, during) = text.trim_end().split_once('\n').expect("two lines");
        assert!(before.ends_with("before") && !before.contains("me-1"), "{before}");
        assert!(during.contains(" me-1 GET /api/tickets "), "{during}");
        assert!(during.contains("odd") && !text.contains("secret"), "{during}");
    }

    #[tokio::test]
    async fn a_line_of_json_names_its_request() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(WithRequest(format().json()))
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        log().await;
        let text = lines.text();
        let (before, during) = text.trim_end().split_once('\n').expect("two lines");
        let read = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        assert!(read(before)["request"].is_null());
        let during = read(during);
        assert_eq!(during["request"]["id"], "me-1");
        assert_eq!(during["request"]["path"], "/api/tickets");
        assert_eq!(during["fields"]["price"], 5);
    }
}
