using System.Collections.Immutable;

namespace Portmap.Guarding;

/// <summary>
/// Which addresses the processes behind registrations listen on, by the kernel's list.
/// </summary>
/// <remarks>
/// A host has few different sets of addresses. So a registration keeps the number of its set in one
/// byte, and what a set is called stands here once. A number never changes its meaning. Reads are
/// wait-free; <see cref="NumberOf"/> publishes a new set with a CAS and is lock-free.
/// </remarks>
internal sealed class ServedAddresses
{
    /// <summary>Every address of both families, by one dual-stack socket.</summary>
    public const string Everywhere = "*";

    /// <summary>The number of a registration that was not looked at yet.</summary>
    public const byte NotLookedAt = 0;

    /// <summary>
    /// The number of one of which nothing is known: nobody listens on its port in this network.
    /// </summary>
    public const byte Unknown = 1;

    private ImmutableArray<string> _sets = [string.Empty, string.Empty];

    /// <summary>The addresses, such as <c>*</c>, <c>127.0.0.1</c> or <c>0.0.0.0, ::</c>.</summary>
    /// <returns>Empty where nothing is known.</returns>
    public string TextOf(byte number) => _sets[number];

    /// <summary>The number of a set; past 256 sets new ones are unknown.</summary>
    /// <param name="listeners">
    /// Who listens on the port; null where the kernel cannot be asked.
    /// </param>
    /// <param name="known">The number so far, which stays while nobody listens.</param>
    public byte NumberOf(ArraySegment<PortSocket>? listeners, byte known = NotLookedAt)
    {
        if (listeners is not { Count: > 0 } there)
        {
            return listeners is null ? known : Math.Max(known, Unknown);
        }

        string text = there.Count == 1
            ? there[0].Served
            : string.Join(", ", there.Select(listener => listener.Served).Distinct().Order(StringComparer.Ordinal));
        if (_sets.IndexOf(text) is > 0 and int number)
        {
            return (byte)number;
        }

        // A CAS: publishes the set.
        ImmutableInterlocked.Update(
            ref _sets,
            static (sets, text) => sets.Contains(text) || sets.Length > byte.MaxValue ? sets : sets.Add(text),
            text);
        return (byte)Math.Max(_sets.IndexOf(text), Unknown);
    }

    /// <summary>Whether a set leaves addresses on which somebody else can listen.</summary>
    public static bool LeavesSome(IEnumerable<PortSocket> listeners)
    {
        HashSet<string> served = [.. listeners.Select(listener => listener.Served)];
        return served.Count != 0 && !served.Contains(Everywhere)
            && !(served.Contains("0.0.0.0") && served.Contains("::"));
    }
}
