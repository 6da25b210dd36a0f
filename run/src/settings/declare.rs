//! The macros that declare settings and their types.

/// Declares a type whose values are some words: lower case, or with dashes between the words of a name.
macro_rules! choice {
    ($(#[$of:meta])* enum $name:ident in $case:literal { $($(#[$of_value:meta])* $value:ident),* $(,)? }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize)]
        #[derive(::strum::Display, ::strum::EnumMessage, ::strum::EnumString, ::strum::IntoStaticStr)]
        #[derive(::strum::VariantArray)]
        #[serde(rename_all = $case)]
        #[strum(serialize_all = $case)]
        pub enum $name { $($(#[$of_value])* $value),* }
    };
}

/// Declares the settings of one section: `[section, heading]`, the layer and the section with what they are, then for
/// each setting
///
/// ```text
/// /// Help text, a sentence or two
/// key: Type = (rule), ["flag" "VALUE"], range, effect;
/// ```
///
/// A rule is `default value`, `optional` (`as "in words"`) for what may be absent, `required "advice"` for what must
/// not be, or `decided "in words"` for what follows from other settings: whoever fills the section decides it first. A
/// flag may have a letter (`'r'`) before the value's name, and another heading (`in HEADING`) or its earlier name
/// (`was "name"`) after it; `[]` is no flag. After the effect there may be `fixed "why"` for what a sweep does not
/// vary.
/// `said { }` has settings that the section does not keep, `below { }` the sections below.
macro_rules! settings {
    (
        [$section:literal, $heading:expr]
        $(#[$of_layer:meta])* layer $layer:ident;
        $(#[$of_whole:meta])* section $whole:ident { $(
            $(#[doc = $help:literal])*
            $(#[serde($($serde:tt)*)])?
            $field:ident: $type:ty = ($($rule:tt)*), [$($flag:tt)*], $range:expr, $effect:ident $(fixed $why:literal)?;
        )* }
        $(said { $(
            $(#[doc = $said_help:literal])*
            $said:ident: $said_type:ty = ($($said_rule:tt)*), [$($said_flag:tt)*];
        )* })?
        $(below { $(
            $(#[doc = $below_help:literal])*
            $below:ident: $below_layer:ty => $below_whole:ty;
        )* })?
    ) => {
        $(#[$of_layer])*
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $layer {
            $( $(#[doc = $help])* pub $field: Option<$type>, )*
            $($( $(#[doc = $said_help])* pub $said: Option<$said_type>, )*)?
            $($( $(#[doc = $below_help])* pub $below: $below_layer, )*)?
        }

        $(#[$of_whole])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize)]
        pub struct $whole {
            $( $(#[doc = $help])* $(#[serde($($serde)*)])? pub $field: kept_type!($type; $($rule)*), )*
            $($( $(#[doc = $below_help])* pub $below: $below_whole, )*)?
        }

        impl $layer {
            const SAID: &'static [$crate::settings::Setting] = &[ $($(
                setting!($section, $heading, [$($said_help)*], $said: $said_type = ($($said_rule)*), [$($said_flag)*],
                    $crate::settings::Range::ANY, Results),
            )*)? ];
            const KEPT: &'static [$crate::settings::Setting] = &[ $(
                setting!($section, $heading, [$($help)*], $field: $type = ($($rule)*), [$($flag)*],
                    $range, $effect $(, $why)?),
            )* ];

            /// The section, with the defaults of what nobody speaks of.
            ///
            /// # Errors
            /// If something is missing that has no default.
            pub(crate) fn fill(self, $($( $below: $below_whole, )*)?) -> Result<$whole, $crate::settings::ConfigError> {
                Ok($whole {
                    $( $field: filled!(self.$field, concat!($section, ".", stringify!($field)); $($rule)*), )*
                    $($( $below, )*)?
                })
            }
        }

        impl $crate::settings::Group for $layer {
            fn settings() -> Vec<&'static $crate::settings::Setting> {
                #[allow(unused_mut, reason = "where there is nothing below")]
                let mut all: Vec<_> = Self::SAID.iter().chain(Self::KEPT).collect();
                $($( all.extend(<$below_layer as $crate::settings::Group>::settings()); )*)?
                all
            }

            fn give(&mut self, setting: &$crate::settings::Setting, value: &$crate::settings::Given) {
                if setting.section == $section {
                    match setting.key {
                        $( stringify!($field) => self.$field = value.get(), )*
                        $($( stringify!($said) => self.$said = value.get(), )*)?
                        _ => {}
                    }
                }
                $($( $crate::settings::Group::give(&mut self.$below, setting, value); )*)?
            }
        }

        impl $crate::settings::Section for $whole {
            type Layer = $layer;

            fn check_ranges(&self) -> Result<(), $crate::settings::ConfigError> {
                let mut settings = $layer::KEPT.iter();
                $( if let Some(setting) = settings.next() {
                    setting.check(given!(self.$field; $($rule)*))?;
                } )*
                Ok(())
            }

            fn take(&mut self, other: &Self, effect: $crate::settings::Effect) {
                $( if effect == $crate::settings::Effect::$effect {
                    self.$field = other.$field.clone();
                } )*
            }

            fn lay(&mut self, layer: &$layer, effects: &[$crate::settings::Effect]) {
                $( if let (Some(value), true) = (&layer.$field, effects.contains(&$crate::settings::Effect::$effect)) {
                    self.$field = kept!(value.clone(); $($rule)*);
                } )*
            }
        }
    };
}

/// A row.
macro_rules! setting {
    (
        $section:literal, $heading:expr, [$($help:literal)*], $field:ident: $type:ty = ($($rule:tt)*), [$($flag:tt)*],
        $range:expr, $effect:ident $(, $why:literal)?
    ) => {
        $crate::settings::Setting {
            section: $section,
            key: stringify!($field),
            path: concat!($section, ".", stringify!($field)),
            flag: flag!($heading; $($flag)*),
            help: concat!($($help),*),
            default: || default_text!($type; $($rule)*),
            form: <$type as $crate::settings::Value>::form,
            parse: |text| <$type as $crate::settings::Value>::parse(text).map($crate::settings::Given::new),
            range: $range,
            effect: $crate::settings::Effect::$effect,
            fixed: fixed!($($why)?),
        }
    };
}

/// Its flag.
macro_rules! flag {
    ($heading:expr;) => { None };
    ($heading:expr; $long:literal $value:literal) => { flag!(@ $long, None, $value, $heading, None) };
    ($heading:expr; $long:literal $value:literal was $old:literal) => {
        flag!(@ $long, None, $value, $heading, Some($old))
    };
    ($heading:expr; $long:literal $short:literal $value:literal) => {
        flag!(@ $long, Some($short), $value, $heading, None)
    };
    ($heading:expr; $long:literal $value:literal in $other:expr) => { flag!(@ $long, None, $value, $other, None) };
    ($heading:expr; $long:literal $short:literal $value:literal in $other:expr) => {
        flag!(@ $long, Some($short), $value, $other, None)
    };
    (@ $long:literal, $short:expr, $value:literal, $heading:expr, $old:expr) => {
        Some($crate::settings::Flag { long: $long, short: $short, value: $value, heading: $heading, old: $old })
    };
}

/// Why a sweep does not vary it.
macro_rules! fixed {
    () => {
        None
    };
    ($why:literal) => {
        Some($why)
    };
}

/// What a section keeps.
macro_rules! kept_type {
    ($type:ty; optional $($as:tt)*) => { Option<$type> };
    ($type:ty; $($rule:tt)*) => { $type };
}

/// A value as the section keeps it.
macro_rules! kept {
    ($value:expr; optional $($as:tt)*) => {
        Some($value)
    };
    ($value:expr; $($rule:tt)*) => {
        $value
    };
}

/// What fills the hole.
macro_rules! filled {
    ($given:expr, $path:expr; optional $($as:tt)*) => { $given };
    ($given:expr, $path:expr; default $default:expr) => { $given.unwrap_or($default) };
    ($given:expr, $path:expr; required $advice:expr) => {
        $given.ok_or($crate::settings::ConfigError::Missing { field: $path, advice: $advice })?
    };
    ($given:expr, $path:expr; decided $words:literal) => { filled!($given, $path; required $words) };
}

/// The default in words.
macro_rules! default_text {
    ($type:ty; optional) => {
        None
    };
    ($type:ty; optional as $words:literal) => {
        Some($words.to_owned())
    };
    ($type:ty; default $default:expr) => {{
        let default: $type = $default;
        Some($crate::settings::Value::shown(&default))
    }};
    ($type:ty; required $advice:expr) => {
        None
    };
    ($type:ty; decided $words:literal) => {
        Some($words.to_owned())
    };
}

/// A section's value, if it has one.
macro_rules! given {
    ($kept:expr; optional $($as:tt)*) => {
        $kept.as_ref()
    };
    ($kept:expr; $($rule:tt)*) => {
        Some(&$kept)
    };
}
