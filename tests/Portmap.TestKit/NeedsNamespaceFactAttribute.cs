using System.Diagnostics;
using Xunit;

namespace Portmap.TestKit;

/// <summary>A fact that needs a network namespace of its own (<c>unshare -n</c>) and Python in it;
/// where that is not allowed it is skipped by name.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsNamespaceFactAttribute : FactAttribute
{
    private static readonly Lazy<bool> s_isAllowed = new(Try);

    /// <summary>Tries it once per run.</summary>
    public NeedsNamespaceFactAttribute()
    {
        if (!s_isAllowed.Value)
        {
            Skip = "needs python3 and the right to make a network namespace (unshare -n)";
        }
    }

    private static bool Try()
    {
        try
        {
            using Process trial = Process.Start(new ProcessStartInfo("unshare", ["-n", "python3", "-c", ""]) { RedirectStandardError = true })!;
            return trial.WaitForExit(Deadline.Default) && trial.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;   // no such program
        }
    }
}
