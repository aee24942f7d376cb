namespace Portmap.Integration.Tests.Gluster;

/// <summary>A fact that needs a brick with a folder behind it; without the right to that, the test
/// is skipped by name.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class FolderBrickFactAttribute : NeedsFactAttribute
{
    /// <inheritdoc cref="NeedsFactAttribute(string[])"/>
    public FolderBrickFactAttribute(params string[] programs)
        : base(programs)
    {
        if (!TrustedAttributes.AreAllowed)
        {
            Skip ??= "needs the right to set trusted.* attributes on files in the temp folder (CAP_SYS_ADMIN)";
        }
    }
}
