namespace ManagementDaemon;

/// <summary>What the exit codes of every verb mean.</summary>
internal static class ExitCode
{
    public const int Success = 0;
    public const int Failure = 1;
    public const int BadArguments = 2;
}
