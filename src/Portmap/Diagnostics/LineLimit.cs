namespace Portmap.Diagnostics;

/// <summary>
/// How often one thing may be said of one subject: once in <see cref="PauseMs"/>; what is left out
/// meanwhile is counted.
/// </summary>
/// <remarks>
/// <code>
///   sets of 8 places:  null ──► told of (kind, subject) at a time ──► … left out once, twice …      a place whose pause is over is anybody's
/// </code>
/// <list type="bullet">
/// <item>I1. A place is an immutable object, replaced by CAS only, so of two threads with the same
/// line one passes.</item>
/// <item>I2. At most <see cref="Places"/> lines pass in one pause, of however many subjects: one
/// whose set is full of others is left out and counted for all together. So neither the memory nor
/// the log grows with the names that somebody thinks up.</item>
/// </list>
/// Progress: lock-free.
/// </remarks>
internal sealed class LineLimit
{
    public const long PauseMs = 10_000;

    /// <summary>How many subjects are kept apart.</summary>
    public const int Places = 4_096;

    private const int PerSet = 8;

    /// <summary>Longer subjects that begin alike are one.</summary>
    private const int MaxSubject = 256;

    private readonly Told?[] _places = new Told?[Places];
    private long _others;
    private int _leftOut;

    /// <summary>Whether a line may be written now.</summary>
    /// <param name="kind">Its kind, a constant.</param>
    /// <param name="subject">Whom it is about.</param>
    /// <param name="now">The time in milliseconds.</param>
    /// <param name="leftOut">How many like it were left out since the last one.</param>
    public bool Passes(string kind, string subject, long now, out long leftOut)
    {
        subject = subject.Length <= MaxSubject ? subject : subject[..MaxSubject];
        int set = (int)((uint)HashCode.Combine(kind, subject) % (Places / PerSet)) * PerSet;
        while (true)
        {
            leftOut = 0;
            if (FindPlace(set, kind, subject, now) is not { } place)
            {
                Interlocked.Increment(ref _others);
                Volatile.Write(ref _leftOut, 1);
                return false;
            }

            Told? told = Volatile.Read(ref _places[place]);
            bool isSame = told?.Is(kind, subject) == true;
            bool passes = told is null || IsOver(told, now);
            if (!passes && !isSame)
            {
                continue;   // somebody else took the place
            }

            Told next = passes ? new Told(kind, subject, now, 0) : told! with { LeftOut = told.LeftOut + 1 };
            if (!ReferenceEquals(Interlocked.CompareExchange(ref _places[place], next, told), told))   // publishes the line's turn; one of two wins it
            {
                continue;
            }

            if (!passes)
            {
                Volatile.Write(ref _leftOut, 1);
                return false;
            }

            leftOut = isSame ? told!.LeftOut : 0;
            if (told is not null && !isSame && told.LeftOut > 0)
            {
                Interlocked.Add(ref _others, told.LeftOut);
                Volatile.Write(ref _leftOut, 1);
            }

            return true;
        }
    }

    /// <summary>
    /// Hands out what was left out and is told by nobody, because no such line came since.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="tell">
    /// Kind, subject and count; subject is null for all that are not kept apart.
    /// </param>
    public void TellLeftOut(long now, Action<string, string?, long> tell)
    {
        if (Interlocked.Exchange(ref _leftOut, 0) == 0)
        {
            return;
        }

        bool isMore = false;
        for (int i = 0; i < _places.Length; i++)
        {
            if (Volatile.Read(ref _places[i]) is not { LeftOut: > 0 } told)
            {
                continue;
            }

            if (!IsOver(told, now))
            {
                isMore = true;
            }
            else if (ReferenceEquals(Interlocked.CompareExchange(ref _places[i], told with { LeftOut = 0 }, told), told))
            {
                tell(told.Kind, told.Subject, told.LeftOut);
            }
        }

        if (isMore)
        {
            Volatile.Write(ref _leftOut, 1);
        }

        if (Interlocked.Exchange(ref _others, 0) is > 0 and long others)
        {
            tell("any", null, others);
        }
    }

    private int? FindPlace(int set, string kind, string subject, long now)
    {
        int? over = null;
        for (int place = set; place < set + PerSet; place++)
        {
            Told? told = Volatile.Read(ref _places[place]);
            if (told?.Is(kind, subject) == true)
            {
                return place;
            }

            over ??= told is null || IsOver(told, now) ? place : null;
        }

        return over;
    }

    private static bool IsOver(Told told, long now) => now - told.At >= PauseMs;

    private sealed record Told(string Kind, string Subject, long At, long LeftOut)
    {
        public bool Is(string kind, string subject) => Kind == kind && Subject == subject;
    }
}
