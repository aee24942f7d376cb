namespace Portmap.Storm;

internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>An expectation of <c>ci</c> was missed, or the storm broke off.</summary>
    public const int Failure = 1;

    public const int BadArguments = 2;

    /// <summary>No network namespace may be made here, or a program for it is missing: nothing was
    /// measured, and nothing is wrong.</summary>
    public const int NotOffered = 64;
}
