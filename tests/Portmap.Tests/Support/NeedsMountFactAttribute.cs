using System.Diagnostics;

namespace Portmap.Tests.Support;

/// <summary>A fact that mounts a file system of its own; where that is not allowed, the test is
/// skipped by name.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NeedsMountFactAttribute : NeedsFactAttribute
{
    private static readonly Lazy<bool> s_isAllowed = new(IsAllowed);

    /// <param name="programs">One of these is needed besides.</param>
    public NeedsMountFactAttribute(params string[] programs)
        : base(programs.Length == 0 ? ["sh"] : programs)
    {
        if (!s_isAllowed.Value)
        {
            Skip ??= "needs unshare, and the right to mount";
        }
    }

    private static bool IsAllowed()
    {
        try
        {
            using Process unshare = Process.Start(new ProcessStartInfo("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]) { RedirectStandardError = true })!;
            return unshare.WaitForExit(Deadline.Default) && unshare.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
