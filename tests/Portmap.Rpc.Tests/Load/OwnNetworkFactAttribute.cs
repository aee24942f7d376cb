using System.Diagnostics;

namespace Portmap.Rpc.Tests.Load;

/// <summary>A fact that leaves thousands of connections in TIME_WAIT and so needs a network of its
/// own; where the machine gives none, it is skipped by name.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OwnNetworkFactAttribute : NeedsFactAttribute
{
    private static readonly Lazy<string?> s_obstacle = new(FindObstacle);

    public OwnNetworkFactAttribute()
        : base("unshare") => Skip ??= s_obstacle.Value;

    private static string? FindObstacle()
    {
        using Process probe = Process.Start(new ProcessStartInfo("unshare", [OwnNetwork.Option, "true"]) { RedirectStandardError = true })!;
        string complaint = probe.StandardError.ReadToEnd();
        probe.WaitForExit();
        return probe.ExitCode == 0 ? null : $"needs a network namespace of its own, which the machine refuses: {complaint.Trim()}";
    }
}
