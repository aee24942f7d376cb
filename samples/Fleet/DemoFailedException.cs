namespace Fleet;

/// <summary>Something did not come as it should.</summary>
internal sealed class DemoFailedException(string message) : Exception(message);
