//! A text as a QR code, drawn as SVG.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The light border that readers want around it, in modules.
const QUIET: usize = 4;

/// The code as an SVG document of one path; nothing if the text is too long for any.
pub fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (row, modules) in code.to_colors().chunks(width).enumerate() {
        for (column, _) in modules.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            // Writing to a string can't fail.
            let _ = write!(path, "M{} {}h1v1h-1z", column + QUIET, row + QUIET);
        }
    }
    let size = width + 2 * QUIET;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/>\
         <path d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_with_its_border_and_its_three_finders() {
        let svg = svg("otpauth://totp/GitTix:ana%40example.com?secret=GEZDGNBV").unwrap();
        let dark = |x: usize, y: usize| svg.contains(&format!("M{x} {y}h1v1h-1z"));
        let (_, rest) = svg.split_once("viewBox=\"0 0 ").unwrap();
        let size: usize = rest.split(' ').next().unwrap().parse().unwrap();
        for (x, y) in [(QUIET, QUIET), (size - QUIET - 7, QUIET), (QUIET, size - QUIET - 7)] {
            for along in 0..7 {
                assert!(dark(x + along, y) && dark(x, y + along), "{x} {y}");
            }
            assert!(!dark(x + 1, y + 1) && dark(x + 3, y + 3));
        }
        assert!((0..size).all(|at| !dark(at, QUIET - 1) && !dark(QUIET - 1, at)));
    }

    #[test]
    fn what_fits_no_code_is_not_drawn() {
        assert_eq!(svg(&"x".repeat(5000)), None);
    }
}
