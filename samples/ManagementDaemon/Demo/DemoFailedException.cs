namespace ManagementDaemon.Demo;

/// <summary>Something the demo shows did not come true; the message says what.</summary>
#pragma warning disable CA1032 // the standard constructors would make one without a reason
internal sealed class DemoFailedException(string message) : Exception(message);
