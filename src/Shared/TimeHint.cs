using System.Globalization;

namespace Portmap;

/// <summary>What a complaint of a time adds where the time was most likely written as a number of
/// seconds.</summary>
internal static class TimeHint
{
    /// <summary>The hint, or nothing for a time that is no whole number of days.</summary>
    public static string Of(TimeSpan value) => value > TimeSpan.Zero && value.Ticks % TimeSpan.TicksPerDay == 0
        ? string.Create(CultureInfo.InvariantCulture, $" In configuration a number alone counts days: {value.Days} s is written {TimeSpan.FromSeconds(value.Days)}.")
        : string.Empty;
}
