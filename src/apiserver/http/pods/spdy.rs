//! As much of SPDY/3.1 as `kubectl port-forward` speaks: streams with headers, data, the end of each, pings.
//!
//! Headers are compressed by zlib with a dictionary that both sides know. No build of `flate2` without a C library takes a
//! dictionary, so it is given to the decompressor as the output of a stored block before the first real one; after
//! that it is its history like any other. Our own headers go out in stored blocks, which need no dictionary.

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Largest frame that is taken; kubectl's have 32 KiB.
const MAX_FRAME_BYTES: usize = 1 << 20;
/// Largest block of headers, decompressed.
const MAX_HEADER_BYTES: usize = 16 << 10;

const VERSION: u16 = 0x8003;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const FLAG_FIN: u8 = 1;

/// The dictionary of SPDY/3, what both sides take as already said: these words with their lengths before them …
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language \
    accept-ranges age allow authorization cache-control connection content-base content-encoding content-language \
    content-length content-location content-md5 content-range content-type date etag expect expires from host if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma \
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent \
    vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin";
/// … and this text.
const TEXT: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
    203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
    404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable\
    Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT\
    chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,\
    publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for word in WORDS.split(' ') {
        put_text(&mut bytes, &word.replace('_', " "));
    }
    bytes.put_slice(TEXT.as_bytes());
    bytes.to_vec()
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    bytes.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    bytes.put_slice(text.as_bytes());
}

/// A block of a deflate stream that is its own output; at most 65535 bytes.
fn stored_block(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut block = vec![0];
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend(&data[..usize::from(length)]);
    block
}

/// What the other side said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Open {
        stream: u32,
        headers: Vec<(String, String)>,
        last: bool,
    },
    Data {
        stream: u32,
        data: Bytes,
        last: bool,
    },
    Reset {
        stream: u32,
    },
    Ping {
        number: u32,
    },
    GoAway,
    /// Settings, windows and the like, which change nothing here.
    Other,
}

/// Reads frames; its decompressor remembers all headers so far.
pub(super) struct FrameReader {
    inflate: Decompress,
    begun: bool,
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// The number of a stream has 31 bits.
fn stream_number(bytes: &[u8]) -> u32 {
    number(bytes) & 0x7fff_ffff
}

impl FrameReader {
    pub(super) fn new() -> Self {
        let mut inflate = Decompress::new(false);
        let dictionary = dictionary();
        let mut discarded = Vec::with_capacity(dictionary.len());
        let primed = inflate.decompress_vec(&stored_block(&dictionary), &mut discarded, FlushDecompress::Sync);
        debug_assert!(primed.is_ok() && discarded == dictionary, "a stored block is its own output");
        Self { inflate, begun: false }
    }

    /// The next frame; None at the end of the connection.
    pub(super) async fn read<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> io::Result<Option<Frame>> {
        let mut head = [0; 8];
        if let Err(error) = from.read_exact(&mut head).await {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
        }
        let length = usize::try_from(number(&head[4..]) & 0x00ff_ffff).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            return Err(broken("the frame is too long"));
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).await?;
        self.frame(head, body).map(Some)
    }

    fn frame(&mut self, head: [u8; 8], body: Vec<u8>) -> io::Result<Frame> {
        let last = head[4] & FLAG_FIN != 0;
        if head[0] & 0x80 == 0 {
            return Ok(Frame::Data { stream: stream_number(&head), data: Bytes::from(body), last });
        }
        if u16::from_be_bytes([head[0], head[1]]) != VERSION {
            return Err(broken("it is not SPDY/3"));
        }
        let enough = |least| if body.len() < least { Err(broken("the frame is too short")) } else { Ok(()) };
        Ok(match u16::from_be_bytes([head[2], head[3]]) {
            SYN_STREAM => {
                enough(10)?;
                Frame::Open { stream: stream_number(&body), headers: self.headers(&body[10..])?, last }
            }
            RST_STREAM => {
                enough(8)?;
                Frame::Reset { stream: stream_number(&body) }
            }
            PING => {
                enough(4)?;
                Frame::Ping { number: number(&body) }
            }
            GOAWAY => Frame::GoAway,
            _ => Frame::Other,
        })
    }

    fn headers(&mut self, mut block: &[u8]) -> io::Result<Vec<(String, String)>> {
        if !self.begun {
            // zlib's own head: two bytes, and the dictionary's checksum where the flag says so.
            let skip = if block.get(1).is_some_and(|it| it & 0x20 != 0) { 6 } else { 2 };
            block = block.get(skip..).ok_or_else(|| broken("the headers are too short"))?;
            self.begun = true;
        }
        let mut plain = Vec::with_capacity(MAX_HEADER_BYTES);
        let before = self.inflate.total_in();
        let status = self.inflate.decompress_vec(block, &mut plain, FlushDecompress::Sync);
        let taken = usize::try_from(self.inflate.total_in() - before).unwrap_or(usize::MAX);
        match status {
            Ok(Status::Ok | Status::BufError) if taken == block.len() => pairs(&plain),
            _ => Err(broken("the headers cannot be decompressed")),
        }
    }
}

/// A count, then names and values, each with its length before it.
fn pairs(plain: &[u8]) -> io::Result<Vec<(String, String)>> {
    let mut rest = plain;
    let mut take = |length: usize| {
        let (taken, after) = rest.split_at_checked(length).ok_or_else(|| broken("the headers are too short"))?;
        rest = after;
        Ok::<_, io::Error>(taken)
    };
    let count = number(take(4)?);
    let mut pairs = Vec::new();
    for _ in 0..count {
        let mut text = || {
            let length = usize::try_from(number(take(4)?)).unwrap_or(usize::MAX);
            Ok::<_, io::Error>(String::from_utf8_lossy(take(length)?).into_owned())
        };
        pairs.push((text()?, text()?));
    }
    Ok(pairs)
}

/// Writes frames; the first headers of a connection begin with zlib's own head.
#[derive(Default)]
pub(super) struct FrameWriter {
    begun: bool,
}

fn control(kind: u16, flags: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + body.len());
    frame.put_u16(VERSION);
    frame.put_u16(kind);
    frame.put_u32(u32::from(flags) << 24 | u32::try_from(body.len()).unwrap_or(u32::MAX));
    frame.put_slice(body);
    frame.freeze()
}

impl FrameWriter {
    /// The answer to the opening of a stream, without headers.
    pub(super) fn reply(&mut self, stream: u32) -> Bytes {
        let mut body = stream.to_be_bytes().to_vec();
        if !self.begun {
            // 32 KiB of history, fastest, no dictionary.
            body.extend([0x78, 0x01]);
            self.begun = true;
        }
        body.extend(stored_block(&0_u32.to_be_bytes()));
        // An empty block is a flush: without one Go's reader waits for the next block before it gives what it has.
        body.extend(stored_block(&[]));
        control(SYN_REPLY, 0, &body)
    }
}

/// Data of a stream; at most [`MAX_FRAME_BYTES`].
pub(super) fn data(stream: u32, data: &[u8], last: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + data.len());
    frame.put_u32(stream & 0x7fff_ffff);
    let flags = if last { FLAG_FIN } else { 0 };
    frame.put_u32(u32::from(flags) << 24 | u32::try_from(data.len()).unwrap_or(u32::MAX));
    frame.put_slice(data);
    frame.freeze()
}

pub(super) fn ping(number: u32) -> Bytes {
    control(PING, 0, &number.to_be_bytes())
}

/// Refuses a stream.
pub(super) fn reset(stream: u32) -> Bytes {
    const REFUSED: u32 = 3;
    let mut body = stream.to_be_bytes().to_vec();
    body.extend(REFUSED.to_be_bytes());
    control(RST_STREAM, 0, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    /// What a client opens a stream with; a real one compresses against the dictionary, see the integration tests.
    fn open(compress: &mut Compress, first: bool, stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = BytesMut::new();
        plain.put_u32(u32::try_from(headers.len()).unwrap());
        for (name, value) in headers {
            put_text(&mut plain, name);
            put_text(&mut plain, value);
        }
        let mut block = Vec::with_capacity(4096);
        compress.compress_vec(&plain, &mut block, FlushCompress::Sync).unwrap();
        let mut body = stream.to_be_bytes().to_vec();
        body.extend([0; 6]);
        if first {
            body.extend([0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]);
        }
        body.extend(block);
        control(SYN_STREAM, 0, &body).to_vec()
    }

    async fn all(bytes: &[u8]) -> io::Result<Vec<Frame>> {
        let (mut reader, mut from, mut frames) = (FrameReader::new(), bytes, Vec::new());
        while let Some(frame) = reader.read(&mut from).await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn the_dictionary_is_the_one_of_the_protocol() {
        let (mut low, mut high) = (1_u32, 0_u32);
        for byte in dictionary() {
            low = (low + u32::from(byte)) % 65_521;
            high = (high + low) % 65_521;
        }
        assert_eq!((dictionary().len(), high << 16 | low), (1423, 0xe3c6_a7c2));
    }

    #[tokio::test]
    async fn streams_open_carry_data_and_end() {
        let mut compress = Compress::new(Compression::default(), false);
        let headers = [("streamtype", "data"), ("port", "80"), ("requestid", "0")];
        let mut bytes = open(&mut compress, true, 1, &headers);
        bytes.extend(open(&mut compress, false, 3, &headers[..1]));
        bytes.extend(data(1, b"GET /", false));
        bytes.extend(data(1, b"", true));
        bytes.extend(ping(7));
        let opened = |stream, many: &[(&str, &str)]| {
            let headers = many.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Frame::Open { stream, headers, last: false }
        };
        let expected = [
            opened(1, &headers),
            opened(3, &headers[..1]),
            Frame::Data { stream: 1, data: Bytes::from_static(b"GET /"), last: false },
            Frame::Data { stream: 1, data: Bytes::new(), last: true },
            Frame::Ping { number: 7 },
        ];
        assert_eq!(all(&bytes).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_reply_is_read_by_any_zlib() {
        let mut writer = FrameWriter::default();
        let mut inflate = Decompress::new(true);
        for stream in [1, 3] {
            let reply = writer.reply(stream);
            let mut plain = Vec::with_capacity(64);
            inflate.decompress_vec(&reply[12..], &mut plain, FlushDecompress::Sync).unwrap();
            assert_eq!((number(&reply[8..]), plain.as_slice()), (stream, &[0; 4][..]));
        }
    }

    #[tokio::test]
    async fn what_is_not_spdy_is_an_error() {
        for bytes in [&b"\x80\x02\0\x01\0\0\0\0"[..], b"\x80\x03\0\x01\0\0\0\x02ab", b"\0\0\0\x01\0\xff\xff\xff"] {
            assert!(all(bytes).await.is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(all(&bytes));
            let headers = [&[0x80, 3, 0, 1, 0, 0, 0, u8::try_from(bytes.len()).unwrap()][..], &bytes].concat();
            let _ = runtime.block_on(all(&headers));
        }
    }
}
