using System.Globalization;

namespace Portmap.Guarding;

/// <summary>What the options and the kernel's settings mean for each other.</summary>
internal static class Diagnosis
{
    /// <summary>
    /// What is advised leaves the kernel this many ports for outgoing connections, or half of what
    /// it has where it has fewer.
    /// </summary>
    internal const int FewestEphemeral = 8_192;

    /// <summary>
    /// Where fewer ports are free that the kernel never hands out, or fewer than a tenth of them,
    /// the others are soon in use.
    /// </summary>
    internal const int FewestOutside = 100;

    private const string Reserve = "net.ipv4.ip_local_reserved_ports";

    /// <param name="settings">The options and what the kernel says.</param>
    /// <param name="guard">Whether ports can be guarded.</param>
    /// <param name="owners">How many owners are live.</param>
    /// <param name="isUsed">Whether a port is not free.</param>
    public static IEnumerable<PortFinding> Find(PortRegistrySettings settings, IPortGuard guard, int owners, Func<int, bool> isUsed)
    {
        if (Overlap(settings, isUsed) is { } overlap)
        {
            yield return overlap;
        }

        // MaxOwners bounds memory unless the host has set it: then it says how many owners are
        // meant to be.
        int meant = settings.MaxOwners == new PortRegistryOptions().MaxOwners ? owners : settings.MaxOwners;
        if (settings.Count < meant)
        {
            yield return new PortFinding(
                PortFindingKind.RangeTooSmall,
                Text($"{settings.Count} ports may be handed out ({settings.Ports.Text}{(settings.Exclude.Length == 0 ? string.Empty : " without " + settings.Exclude)})"),
                meant == owners ? Text($"{owners} owners are live") : Text($"MaxOwners is {meant}"),
                "Widen Ports or exclude fewer, unless processes serve several owners on one port.");
        }

        int denied = settings.DeniedCount;
        if (denied != 0)
        {
            yield return new PortFinding(
                PortFindingKind.RangeNotBindable,
                Text($"{(denied == settings.Count ? "all" : "some")} ports that may be handed out, {denied} of {settings.Count}, need a privilege to be bound"),
                Text($"net.ipv4.ip_unprivileged_port_start is {settings.Kernel.FirstUnprivileged}, and this process has no CAP_NET_BIND_SERVICE"),
                Text($"Set Ports to ports from {settings.Kernel.FirstUnprivileged} on, give the daemon and the workers CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd), or run: sysctl -w net.ipv4.ip_unprivileged_port_start={settings.Ports.Span.First}"));
        }

        if (settings.GuardLimit < settings.MaxGuards)
        {
            yield return new PortFinding(
                PortFindingKind.TooFewDescriptors,
                Text($"at most {settings.Kernel.DescriptorLimit} descriptors may be open, of which guards take half, {settings.GuardLimit}"),
                Text($"MaxGuards is {settings.MaxGuards}"),
                Text($"Raise the limit to {2L * settings.MaxGuards} (ulimit -Hn, LimitNOFILE= of systemd), or lower MaxGuards; leases beyond it are ProbedOnly."));
        }

        if (guard.WhyUnavailable() is { } why)
        {
            yield return new PortFinding(PortFindingKind.GuardUnavailable, why, "a port is guarded from its acquisition until its process listens", "Leases say how strongly they are held; ProcessBinds needs no guard.");
        }
    }

    private static PortFinding? Overlap(PortRegistrySettings settings, Func<int, bool> isUsed)
    {
        PortRange[] parts = [.. settings.Kernel.PartsOf(settings.Ports.Ranges, handedOut: true).SelectMany(part => WithoutExcluded(part, settings))];
        if (settings.Kernel.Ephemeral is not { } ephemeral || parts.Length == 0)
        {
            return null;
        }

        // Writing the setting replaces it, so what stands there is written again.
        string ours = string.Join(',', parts.Select(part => part.Count == 1 ? Text($"{part.First}") : part.ToString()));
        int has = settings.Kernel.PartsOf(ephemeral, handedOut: true).Sum(part => part.Count), taken = parts.Sum(part => part.Count);
        int fewest = Math.Min(FewestEphemeral, has / 2);
        int[] outside = [.. Outside(settings)];
        int free = outside.Count(port => !isUsed(port));
        string others = outside.Length == 0 ? string.Empty : Text($"; {free} of {outside.Length} others are free and are used first");
        return new PortFinding(
            PortFindingKind.EphemeralOverlap,
            Text($"{taken} of {settings.Ports.Ranges.Sum(range => WithoutExcluded(range, settings).Sum(part => part.Count))} ports of {settings.Ports.Text}{(settings.Exclude.Length == 0 ? string.Empty : " without " + settings.Exclude)} ({ours}) are also handed out by the kernel{others}"),
            Text($"net.ipv4.ip_local_port_range is {ephemeral}, {Reserve} is '{settings.Kernel.Reserved}'"),
            has - taken >= fewest
                ? $"Run: {ReserveAlso(settings, ours)}"
                : Text($"Do not reserve them: that would leave the kernel {has - taken} of {has} ports for outgoing connections. {OtherPorts(settings, parts.MaxBy(part => part.Count), has - fewest)}"))
        {
            IsNote = free >= Math.Max(FewestOutside, outside.Length / 10),
        };
    }

    /// <summary>The parts of a range that may be handed out here: to anybody, or to whom a number is
    /// kept for.</summary>
    private static IEnumerable<PortRange> WithoutExcluded(PortRange range, PortRegistrySettings settings)
    {
        int first = 0;
        for (int port = range.First; port <= range.Last + 1; port++)
        {
            bool isIn = port <= range.Last && (settings.HandsOut(port) || settings.Kept?.OwnerOf(port) is not null);
            if (isIn && first == 0)
            {
                first = port;
            }
            else if (!isIn && first != 0)
            {
                yield return new PortRange(first, port - 1);
                first = 0;
            }
        }
    }

    /// <summary>The ports that may be handed out here, and are not by the kernel.</summary>
    private static IEnumerable<int> Outside(PortRegistrySettings settings) =>
        settings.Kernel.PartsOf(settings.Ports.Ranges, handedOut: false)
            .SelectMany(part => Enumerable.Range(part.First, part.Count))
            .Where(port => settings.HandsOut(port) && port >= settings.Kernel.FirstUnprivileged);

    private static string ReserveAlso(PortRegistrySettings settings, string ports) =>
        $"sysctl -w {Reserve}={(settings.Kernel.Reserved.Length == 0 ? ports : $"{settings.Kernel.Reserved},{ports}")}";

    /// <summary>
    /// Where the range may lie instead: where the kernel hands nothing out, or on few enough of its
    /// ports that they can be reserved.
    /// </summary>
    private static string OtherPorts(PortRegistrySettings settings, PortRange last, int mostReserved)
    {
        const int Enough = 1_000;
        PortRange[] within = settings.Kernel.PartsOf(settings.Ports.Ranges, handedOut: false);
        IReadOnlyList<PortRange> anywhere = settings.Kernel.PartsOf(new PortRange(Math.Max(1_024, settings.Kernel.FirstUnprivileged), 65_535), handedOut: false);
        PortRange[] outside = [.. within.Concat(anywhere.OrderByDescending(part => part.First)).Where(part => part.Count >= Math.Min(Enough, settings.Count))];
        if (outside.Length != 0)
        {
            return Text($"Set Ports to {outside[0]}, which it never hands out.");
        }

        PortRange few = new(Math.Max(last.First, last.Last - mostReserved + 1), last.Last);
        return Text($"Set Ports to {few}, and run: {ReserveAlso(settings, few.ToString())}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
