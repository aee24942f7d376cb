using System.ComponentModel;
using System.Diagnostics;

namespace Portmap.Etcd.Tests.Support;

/// <summary>A fact that needs etcd and network namespaces joined by a bridge; where that is not
/// allowed it is skipped by name.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsNetworkFactAttribute : NeedsFactAttribute
{
    private static readonly Lazy<bool> s_isAllowed = new(Try);

    /// <summary>Tries it once per run.</summary>
    public NeedsNetworkFactAttribute()
        : base("etcd")
    {
        if (!s_isAllowed.Value)
        {
            Skip ??= "needs the right to make network namespaces and a bridge (unshare, nsenter, ip)";
        }
    }

    private static bool Try()
    {
        try
        {
            using Process trial = Process.Start(new ProcessStartInfo("unshare", ["--net", "sh", "-c", "command -v nsenter && ip link add name b0 type bridge"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            return trial.WaitForExit(Deadline.Default) && trial.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;   // no such program
        }
    }
}
