using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Portmap.Operations;

/// <summary>Which leases a program that is about to be started is told of.</summary>
/// <remarks>
/// A start belongs to one thread at a time, as <see cref="ProcessStartInfo"/> does. What is known
/// of it goes with it. Its environment would not do as the memory: it begins as a copy of the
/// daemon's own, which may have been started by another daemon.
/// </remarks>
internal static class PreparedStarts
{
    private static readonly ConditionalWeakTable<ProcessStartInfo, List<PreparedStart>> s_starts = [];

    /// <summary>Notes a lease, in the place of one that is not open any more.</summary>
    /// <exception cref="ArgumentException">The name cannot stand in a variable.</exception>
    /// <exception cref="InvalidOperationException">Another open lease has the name.</exception>
    public static void Add(ProcessStartInfo start, ILease lease, string? name)
    {
        PortmapVariables.CheckName(name, nameof(name));
        List<PreparedStart> all = s_starts.GetOrCreateValue(start);
        int same = all.FindIndex(one => string.Equals(one.Name, name, StringComparison.OrdinalIgnoreCase));
        if (same < 0)
        {
            all.Add(new PreparedStart(name, lease));
            return;
        }

        ILease other = all[same].Lease;
        if (!ReferenceEquals(other, lease) && other.IsOpen)
        {
            throw new InvalidOperationException(
                $"The start of '{start.FileName}' tells of '{other.Owner}'{Port(other)} already, {(name is null ? "without a name" : $"under the name '{name}'")}; telling of '{lease.Owner}'{Port(lease)} as well would overwrite it. "
                + "Give each port of a process a name of its own (PrepareStart(start, name: \"admin\")), and each process a ProcessStartInfo of its own.");
        }

        all[same] = new PreparedStart(name, lease);
    }

    /// <summary>What a start was told, in that order.</summary>
    public static IReadOnlyList<PreparedStart> Of(ProcessStartInfo start) => s_starts.TryGetValue(start, out List<PreparedStart>? all) ? all : [];

    private static string Port(ILease lease) => lease.Port == 0 ? string.Empty : $" (port {lease.Port})";
}

/// <summary>A lease that a start was told of, under a name or none.</summary>
internal readonly record struct PreparedStart(string? Name, ILease Lease);
