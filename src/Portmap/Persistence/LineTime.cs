namespace Portmap.Persistence;

/// <summary>
/// Times as a line holds them: <c>2026-11-25T13:02:35.123Z</c>, or <c>-</c> for none (Unix time 0).
/// By hand, because the general formats take longer than all the rest of a line.
/// </summary>
internal static class LineTime
{
    public const int MaxLength = 24;

    /// <summary>Up to the milliseconds.</summary>
    public const int SecondLength = 20;

    private const long MsPerDay = 86_400_000;

    public static int Measure(long unixMs) => unixMs == 0 ? 1 : MaxLength;

    public static int Write(long unixMs, Span<byte> to)
    {
        if (unixMs == 0)
        {
            to[0] = (byte)'-';
            return 1;
        }

        var time = DateTime.UnixEpoch.AddTicks(unixMs * TimeSpan.TicksPerMillisecond);
        time.Deconstruct(out int year, out int month, out int day);
        int ms = (int)(time.Ticks / TimeSpan.TicksPerMillisecond % MsPerDay);
        "0000-00-00T00:00:00.000Z"u8.CopyTo(to);
        Digits(to[..4], year);
        Digits(to[5..7], month);
        Digits(to[8..10], day);
        Digits(to[11..13], ms / 3_600_000);
        Digits(to[14..16], ms / 60_000 % 60);
        Digits(to[17..19], ms / 1_000 % 60);
        Digits(to[20..23], ms % 1_000);
        return MaxLength;
    }

    public static bool TryRead(ReadOnlySpan<byte> text, out long unixMs)
    {
        unixMs = 0;
        if (text is [(byte)'-'])
        {
            return true;
        }

        if (text.Length != MaxLength
            || !Number(text[..4], out int year) || !Number(text[5..7], out int month) || !Number(text[8..10], out int day)
            || !Number(text[11..13], out int hour) || !Number(text[14..16], out int minute) || !Number(text[17..19], out int second)
            || !Number(text[20..23], out int ms)
            || year is < 1 or > 9999 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59)
        {
            return false;
        }

        long days = (new DateTime(year, month, day) - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerDay;
        unixMs = (days * MsPerDay) + (((((hour * 60) + minute) * 60) + second) * 1_000L) + ms;
        return true;
    }

    /// <summary>The milliseconds of a time that is not none.</summary>
    public static bool TryReadMs(ReadOnlySpan<byte> text, out int ms) => Number(text[SecondLength..(MaxLength - 1)], out ms);

    private static void Digits(Span<byte> to, int value)
    {
        for (int i = to.Length - 1; i >= 0; i--)
        {
            to[i] = (byte)('0' + (value % 10));
            value /= 10;
        }
    }

    private static bool Number(ReadOnlySpan<byte> text, out int value)
    {
        value = 0;
        foreach (byte digit in text)
        {
            value = (value * 10) + digit - '0';
            if (!char.IsAsciiDigit((char)digit))
            {
                return false;
            }
        }

        return true;
    }
}
