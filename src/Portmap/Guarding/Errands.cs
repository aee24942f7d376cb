using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>What there is to be done at one placeholder: one thread is at it at a time, and the
/// others leave there what they came for instead of waiting.</summary>
/// <remarks>
/// <code>
///   null           nobody is at it
///   s_somebody     somebody is
///   Left ──► …     somebody is, and others have left this, newest first
/// </code>
/// <list type="bullet">
/// <item>E1. Who moves null → s_somebody is at it until he moves it back to null; the others only
/// lay something on top.</item>
/// <item>E2. He goes only from s_somebody, and does first what was left, in the order in which it
/// came: nothing is forgotten, and nothing is done by two.</item>
/// </list>
/// Each CAS hands what was written at the placeholder to whoever is at it next. Progress:
/// lock-free. Of a thread that is suspended at it the others' errands are done late, and nobody
/// waits for that.
/// <para>After flat combining (Hendler, Incze, Shavit, Tzafrir, SPAA 2010), without its answers.
/// </para>
/// </remarks>
internal sealed class Errands
{
    private static readonly object s_somebody = new();

    private object? _state;

    /// <summary>Whether the caller is at the placeholder now; then it calls <see cref="TryLeave"/>
    /// until that is so.</summary>
    public bool TryBegin()
    {
        Hook.At(Step.BeginErrand);
        return Interlocked.CompareExchange(ref _state, s_somebody, null) is null;
    }

    /// <summary>As <see cref="TryBegin"/>; where somebody is at it, he will do the errand.</summary>
    public bool TryBeginOrLeave(in Errand errand)
    {
        while (!TryBegin())
        {
            object? seen = Volatile.Read(ref _state);
            Hook.At(Step.BeginErrand);
            if (seen is not null && ReferenceEquals(Interlocked.CompareExchange(ref _state, new Left(errand, seen as Left), seen), seen))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Goes away, unless others left something.</summary>
    /// <returns>What they left, oldest first, and the caller is still at it; or null.</returns>
    public Left? TryLeave()
    {
        Hook.At(Step.EndErrand);
        if (ReferenceEquals(Interlocked.CompareExchange(ref _state, null, s_somebody), s_somebody))
        {
            return null;
        }

        Left? oldest = null;
        for (Left? next = (Left)Interlocked.Exchange(ref _state, s_somebody)!; next is not null;)
        {
            Left? older = next.Next;
            next.Next = oldest;   // taken off, so it is this thread's alone
            (oldest, next) = (next, older);
        }

        return oldest;
    }

    /// <summary>An errand of another thread.</summary>
    public sealed class Left(in Errand errand, Left? next)
    {
        private readonly Errand _errand = errand;

        public ref readonly Errand Errand => ref _errand;

        public Left? Next { get; set; } = next;
    }
}

/// <summary>One thing to be done at a placeholder, by whoever is at it.</summary>
/// <param name="Kind">What.</param>
/// <param name="Claim">For which claim; nothing of <see cref="ErrandKind.DropKept"/> and
/// <see cref="ErrandKind.Close"/>.</param>
/// <param name="Number">The process, or the time.</param>
internal readonly record struct Errand(ErrandKind Kind, GuardedPort Claim, long Number);

internal enum ErrandKind
{
    /// <inheritdoc cref="IPortGuard.HandOver"/>
    HandOver,

    /// <inheritdoc cref="IPortGuard.Drop"/>
    Drop,

    /// <summary>The same, and the port is to wait for its owner's return.</summary>
    Keep,

    /// <inheritdoc cref="IPortGuard.GiveBack"/>
    GiveBack,

    /// <inheritdoc cref="IPortGuard.DropKept"/>
    DropKept,

    /// <summary>The guard is disposed.</summary>
    Close,
}
