//! HTML under construction.
//!
//! Owns: the border between markup and text. Markup is a constant of this
//! program (`&'static str`), everything else goes through [`Markup::text`] or
//! [`Markup::attribute`], so nothing that a guest or a caller said can become
//! markup. Characters that a reader would not see, or that change the order of
//! others, are shown by name.

/// A page, or a part of one.
#[derive(Default)]
pub struct Markup(String);

impl Markup {
    /// Markup, as it is.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match visible(character) {
                Some(name) => {
                    self.0.push_str("<span class=\"odd\">");
                    self.0.push_str(&name);
                    self.0.push_str("</span>");
                }
                None => self.character(character),
            }
        }
        self
    }

    /// ` name="value"` inside of a tag; the value of anybody.
    pub fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.0.push(' ');
        self.0.push_str(name);
        self.0.push_str("=\"");
        for character in value.chars() {
            match visible(character) {
                Some(name) => self.0.push_str(&name),
                None => self.character(character),
            }
        }
        self.0.push('"');
        self
    }

    fn character(&mut self, character: char) {
        match character {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            other => self.0.push(other),
        }
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.0
    }
}

/// Names of control characters; few fonts have their pictures.
const CONTROLS: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR",
    "SO", "SI", "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC",
    "FS", "GS", "RS", "US",
];

/// The name of a character that must not stand for itself.
fn visible(character: char) -> Option<String> {
    let code = u32::from(character);
    match code {
        // Lines and tabs are drawn as such.
        0x09 | 0x0a => None,
        0..0x20 => CONTROLS.get(code as usize).map(|name| (*name).to_owned()),
        0x7f => Some("DEL".to_owned()),
        0x80..=0x9f
        | 0x00ad
        | 0x034f
        | 0x061c
        | 0x115f..=0x1160
        | 0x17b4..=0x17b5
        | 0x180b..=0x180f
        // Without a width, of a direction, of lines and paragraphs.
        | 0x200b..=0x200f
        | 0x2028..=0x202e
        | 0x2060..=0x206f
        | 0x3164
        | 0xfeff
        | 0xffa0
        | 0xfff0..=0xfffb
        | 0xfffe..=0xffff
        // Tags and selectors, in which text can be hidden.
        | 0xe0000..=0xe0fff => Some(format!("U+{code:04X}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let mut markup = Markup::default();
        markup.text(text);
        markup.finish()
    }

    fn attribute(text: &str) -> String {
        let mut markup = Markup::default();
        markup.attribute("id", text);
        markup.finish()
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(
            shown("<img src=x onerror='alert(\"1\")'>&amp;"),
            "&lt;img src=x onerror=&#39;alert(&quot;1&quot;)&#39;&gt;&amp;amp;"
        );
        assert_eq!(
            attribute("\"><script>\n"),
            " id=\"&quot;&gt;&lt;script&gt;\n\""
        );
    }

    #[test]
    fn what_is_not_seen_is_named() {
        let odd = |name: &str| format!("<span class=\"odd\">{name}</span>");
        assert_eq!(shown("\u{1b}[31m"), odd("ESC") + "[31m");
        assert_eq!(shown("\u{202e}"), odd("U+202E"));
        assert_eq!(shown("\r\u{7f}"), odd("CR") + &odd("DEL"));
        assert_eq!(shown("a\tb\nä😀"), "a\tb\nä😀");
        assert_eq!(attribute("\0\u{200b}"), " id=\"NULU+200B\"");
    }

    proptest! {
        /// Whatever is said: no tag, no end of an attribute, no character
        /// that hides or reorders others.
        #[test]
        fn nothing_becomes_markup(
            text in prop_oneof![any::<String>(), "[<>&'\"/=a-z \u{0}-\u{1f}\u{202a}-\u{202e}]{0,60}"]
        ) {
            let plain = shown(&text).replace("<span class=\"odd\">", "").replace("</span>", "");
            let value = attribute(&text);
            let value = value.strip_prefix(" id=\"").and_then(|rest| rest.strip_suffix('"')).unwrap();
            for made in [plain.as_str(), value] {
                prop_assert!(!made.contains(['<', '>', '"', '\'']), "{made}");
                prop_assert!(made.chars().all(|character| visible(character).is_none()), "{made:?}");
                for after in made.split('&').skip(1) {
                    let entity = after.split(';').next().unwrap();
                    prop_assert!(["amp", "lt", "gt", "quot", "#39"].contains(&entity), "{made}");
                }
            }
        }
    }
}
