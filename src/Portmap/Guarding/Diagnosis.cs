using System.Globalization;

namespace Portmap.Guarding;

/// <summary>What the options and the kernel's settings mean for each other.</summary>
internal static class Diagnosis
{
    private const string Reserve = "net.ipv4.ip_local_reserved_ports";

    /// <param name="settings">The options and what the kernel says.</param>
    /// <param name="guard">Whether ports can be guarded.</param>
    /// <param name="owners">How many owners are live.</param>
    public static IEnumerable<PortFinding> Find(PortRegistrySettings settings, IPortGuard guard, int owners)
    {
        if (Overlap(settings) is { } overlap)
        {
            yield return overlap;
        }

        // MaxOwners bounds memory unless the host has set it: then it says how many owners are meant to be.
        int meant = settings.MaxOwners == new PortRegistryOptions().MaxOwners ? owners : settings.MaxOwners;
        if (settings.Count < meant)
        {
            yield return new PortFinding(
                PortFinding.RangeTooSmall,
                Text($"{settings.Count} ports may be handed out ({settings.Range}{(settings.Exclude.Length == 0 ? string.Empty : " without " + settings.Exclude)})"),
                meant == owners ? Text($"{owners} owners are live") : Text($"MaxOwners is {meant}"),
                "Widen Ports or exclude fewer, unless processes serve several owners on one port.");
        }

        if (settings.GuardLimit < settings.MaxGuards)
        {
            yield return new PortFinding(
                PortFinding.TooFewDescriptors,
                Text($"at most {settings.Kernel.DescriptorLimit} descriptors may be open, of which guards take half, {settings.GuardLimit}"),
                Text($"MaxGuards is {settings.MaxGuards}"),
                Text($"Raise the limit to {2L * settings.MaxGuards} (ulimit -Hn, LimitNOFILE= of systemd), or lower MaxGuards; leases beyond it are ProbedOnly."));
        }

        if (guard.WhyUnavailable() is { } why)
        {
            yield return new PortFinding(PortFinding.GuardUnavailable, why, "a port is guarded from its acquisition until its process listens", "Leases say how strongly they are held; ProcessBinds needs no guard.");
        }
    }

    private static PortFinding? Overlap(PortRegistrySettings settings)
    {
        IReadOnlyList<PortRange> parts = settings.Kernel.PartsOf(settings.Range, handedOut: true);
        if (settings.Kernel.Ephemeral is not { } ephemeral || parts.Count == 0)
        {
            return null;
        }

        // Writing the setting replaces it, so what stands there is written again.
        string ours = string.Join(',', parts.Select(part => part.Count == 1 ? Text($"{part.First}") : part.ToString()));
        string all = settings.Kernel.Reserved.Length == 0 ? ours : $"{settings.Kernel.Reserved},{ours}";
        return new PortFinding(
            PortFinding.EphemeralOverlap,
            Text($"{parts.Sum(part => part.Count)} of {settings.Range.Count} ports of {settings.Range} ({ours}) are also handed out by the kernel"),
            Text($"net.ipv4.ip_local_port_range is {ephemeral}, {Reserve} is '{settings.Kernel.Reserved}'"),
            $"Run: sysctl -w {Reserve}={all}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
