namespace Portmap.TestKit;

/// <summary>A fact about other users of the machine: it needs to be root, to become one of them,
/// and some programs.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsRootFactAttribute : NeedsFactAttribute
{
    /// <summary>Needs root and one of some programs.</summary>
    /// <param name="programs">Any one of these is enough.</param>
    public NeedsRootFactAttribute(params string[] programs)
        : base(programs)
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
        {
            Skip ??= "needs to be root on Linux, to become another user";
        }
    }
}
