//! Pictures that people send, made into what pages show.
//!
//! Nothing of what was sent is kept but what one sees: it is decoded, turned upright, made small, put on
//! white where it is transparent, and encoded anew. Where and when it was taken, comments, hidden
//! pictures and whatever else a file may carry stay behind. How large a picture is, its header says,
//! which is read before there is room for any of it.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    Rgb, RgbImage,
};
use thiserror::Error;

/// The longest side of a picture that is taken.
const MAX_SIDE: u32 = 12_000;
/// The most pixels of a picture that is taken: decoding one takes up to nine bytes for each.
const MAX_PIXELS: u64 = 20_000_000;
/// The most that a decoder takes, in bytes.
const MAX_ALLOC: u64 = 256 << 20;
/// The sides of a picture that pages show, at most.
const SHOWN: (u32, u32) = (1280, 960);
/// How well the pictures are kept, the best first.
const QUALITIES: [u8; 4] = [82, 70, 55, 40];
/// The most bytes of a picture that pages show, unless the lowest quality takes more.
const SHOWN_BYTES: usize = 320 << 10;

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PictureError {
    /// It is none of the formats that are read, whatever it is called.
    #[error("must be a JPEG, PNG or WebP picture")]
    Unknown,
    /// Its sides are too long, or their product is.
    #[error("must have at most 20 million pixels, and no side longer than 12,000")]
    TooLarge,
    /// It begins like a picture and is none.
    #[error("can't be read as the picture it begins like")]
    Broken,
}

/// Makes a picture of JPEG, PNG or WebP, told by its bytes, into a JPEG for pages.
///
/// # Errors
///
/// [`PictureError`] if it is none of them, too large or broken.
pub fn for_pages(bytes: &[u8]) -> Result<Vec<u8>, PictureError> {
    let upright = read(bytes)?;
    let (width, height) = SHOWN;
    let small = if upright.width() > width || upright.height() > height {
        upright.resize(width, height, FilterType::Triangle)
    } else {
        upright
    };
    write(&on_white(&small))
}

fn read(bytes: &[u8]) -> Result<DynamicImage, PictureError> {
    let format = image::guess_format(bytes).map_err(|_| PictureError::Unknown)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP) {
        return Err(PictureError::Unknown);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooLarge);
    }
    // How the camera was held; a picture that does not say so was held upright.
    let orientation = decoder.orientation().map_err(refusal)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn refusal(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)
        | ImageError::Unsupported(_)
        | ImageError::IoError(_) => PictureError::Broken,
    }
}

/// The picture without transparency.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let with_alpha = picture.to_rgba8();
    let mut opaque = RgbImage::new(with_alpha.width(), with_alpha.height());
    for (to, from) in opaque.pixels_mut().zip(with_alpha.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let over = |colour: u32| {
            u8::try_from((colour * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
        };
        *to = Rgb([over(red), over(green), over(blue)]);
    }
    opaque
}

fn write(picture: &RgbImage) -> Result<Vec<u8>, PictureError> {
    let mut written = Vec::new();
    for quality in QUALITIES {
        written.clear();
        JpegEncoder::new_with_quality(&mut written, quality)
            .encode(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8)
            .map_err(refusal)?;
        if written.len() <= SHOWN_BYTES {
            break;
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use image::codecs::png::PngEncoder;
    use image::codecs::webp::WebPEncoder;
    use image::{ImageEncoder, Rgba, RgbaImage};

    use super::*;

    /// Red on the left, blue on the right, the upper half half transparent.
    fn halves(width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(width, height, |x, y| {
            let alpha = if y < height / 2 { 128 } else { 255 };
            if x < width / 2 { Rgba([200, 0, 0, alpha]) } else { Rgba([0, 0, 200, alpha]) }
        })
    }

    fn png(picture: &RgbaImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = PngEncoder::new(&mut bytes);
        let (width, height) = picture.dimensions();
        encoder.write_image(picture, width, height, ExtendedColorType::Rgba8).unwrap();
        bytes
    }

    fn webp(picture: &RgbaImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = WebPEncoder::new_lossless(&mut bytes);
        let (width, height) = picture.dimensions();
        encoder.encode(picture, width, height, ExtendedColorType::Rgba8).unwrap();
        bytes
    }

    fn jpeg(picture: &RgbaImage) -> Vec<u8> {
        write(&DynamicImage::from(picture.clone()).to_rgb8()).unwrap()
    }

    fn shown(bytes: &[u8]) -> RgbImage {
        let made = for_pages(bytes).expect("a picture");
        assert!(made.starts_with(&[0xff, 0xd8, 0xff]), "a JPEG");
        assert!(made.len() <= SHOWN_BYTES);
        image::load_from_memory_with_format(&made, ImageFormat::Jpeg).unwrap().to_rgb8()
    }

    fn is_near(pixel: Rgb<u8>, expected: [u8; 3]) -> bool {
        pixel.0.iter().zip(expected).all(|(one, other)| one.abs_diff(other) < 12)
    }

    #[test]
    fn a_picture_of_each_format_is_shown_small_and_opaque() {
        for (bytes, is_transparent) in [
            (png(&halves(2560, 1000)), true),
            (webp(&halves(2560, 1000)), true),
            (jpeg(&halves(2560, 1000)), false),
        ] {
            let small = shown(&bytes);
            assert_eq!(small.dimensions(), (1280, 500));
            assert!(is_near(*small.get_pixel(100, 450), [200, 0, 0]));
            assert!(is_near(*small.get_pixel(1180, 450), [0, 0, 200]));
            if is_transparent {
                assert!(is_near(*small.get_pixel(100, 50), [227, 127, 127]), "on white");
            }
        }
        assert_eq!(shown(&png(&halves(40, 30))).dimensions(), (40, 30), "none is made larger");
    }

    /// The JPEG with what cameras write beside it: held to the left, and a comment.
    fn as_a_camera_writes_it(jpeg: &[u8]) -> Vec<u8> {
        let exif: &[u8] = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let comment = b"\xff\xfe\x00\x10SECRET-PLACE!!";
        [&jpeg[..2], exif, comment, &jpeg[2..]].concat()
    }

    #[test]
    fn a_picture_is_turned_upright_and_nothing_else_of_it_is_kept() {
        let sent = as_a_camera_writes_it(&jpeg(&halves(64, 32)));
        let made = for_pages(&sent).expect("a picture");
        let small = shown(&sent);
        assert_eq!(small.dimensions(), (32, 64));
        assert!(is_near(*small.get_pixel(16, 4), [200, 0, 0]), "left is above");
        for hidden in [&b"Exif"[..], b"SECRET-PLACE"] {
            assert!(!made.windows(hidden.len()).any(|window| window == hidden));
        }
    }

    /// A PNG that says how large it is, and holds nothing.
    fn header_of(width: u32, height: u32) -> Vec<u8> {
        let mut chunk = b"IHDR".to_vec();
        chunk.extend(width.to_be_bytes());
        chunk.extend(height.to_be_bytes());
        chunk.extend([8, 6, 0, 0, 0]);
        let checksum = crc32fast::hash(&chunk).to_be_bytes();
        let data = b"IDAT\x78\x9c\x03\0\0\0\0\x01";
        let checksum_of_data = crc32fast::hash(data).to_be_bytes();
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\x0d";
        let parts: [&[u8]; 7] = [
            head,
            &chunk,
            &checksum,
            &[0, 0, 0, 8],
            data,
            &checksum_of_data,
            b"\0\0\0\0IEND\xae\x42\x60\x82",
        ];
        parts.concat()
    }

    #[test]
    fn a_picture_with_too_many_pixels_is_refused_by_its_header() {
        for (width, height) in [(100_000, 100_000), (12_001, 1), (1, 12_001), (5_000, 4_001)] {
            assert_eq!(for_pages(&header_of(width, height)), Err(PictureError::TooLarge));
        }
        assert_eq!(for_pages(&header_of(100, 100)), Err(PictureError::Broken));
    }

    #[test]
    fn what_is_no_picture_is_told_by_its_bytes() {
        let svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
        let gif = b"GIF89a\x01\0\x01\0\0\0\0;";
        for none in
            [&b""[..], b"\xff", svg.as_bytes(), gif, b"%PDF-1.7", b"BM", b"RIFF\0\0\0\0WAVE"]
        {
            assert_eq!(for_pages(none), Err(PictureError::Unknown), "{none:?}");
        }
    }

    #[test]
    fn a_picture_that_is_cut_off_anywhere_panics_nowhere() {
        let picture = halves(33, 17);
        for whole in [png(&picture), webp(&picture), jpeg(&picture)] {
            for length in 0..whole.len() {
                // A decoder may make do with less, as long as it says one thing or the other.
                let _ = for_pages(&whole[..length]);
            }
        }
    }

    #[test]
    fn noise_stays_within_what_a_page_may_weigh() {
        let mut state = 1_u32;
        let noise = RgbaImage::from_fn(1000, 800, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [red, green, blue, _] = state.to_be_bytes();
            Rgba([red, green, blue, 255])
        });
        let made = for_pages(&png(&noise)).expect("a picture");
        assert!(made.len() < 2 * SHOWN_BYTES, "{}", made.len());
    }
}
